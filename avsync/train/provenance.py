"""What a checkpoint says about its making."""

import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from avsync.config import DataConfig
from avsync.train.config import TrainingConfig
from avsync.train.split import Split

# Settings of `trainer` that do not change the weights.
_WITHOUT_EFFECT = ("output_dir", "resume", "loggers", "num_workers", "strategy")


def effective_config(config: TrainingConfig, inputs: str, clips: Split[Any]) -> dict[str, Any]:
    """Everything the weights depend on, as plain data without paths.

    Args:
        config: of the training.
        inputs: key of what it reads of the clips, such as the backbone whose features they are.
        clips: what it learns from.
    """
    settings = asdict(config)
    del settings["data"]
    for name in _WITHOUT_EFFECT:
        settings["trainer"].pop(name, None)
    keys = "\n".join(clip.key for clip in (*clips.training, *clips.validation))
    return {**settings, "clips_sha256": sha256(keys.encode()).hexdigest(), "features": inputs}


def provenance(
    data: DataConfig, config: Mapping[str, Any], clips: Split[Any], metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Data, licence, config, metrics on the validation clips, and versions.

    Args:
        data: the settings of the data.
        config: the `effective_config`.
        clips: what was learned from.
        metrics: of the validation clips, by name.
    """
    return {
        "data": {
            "name": clips.name or Path(data.root).resolve().name,
            "licence": data.licence or clips.licence,
            "excluded_speakers": list(data.exclude),
            "trained_on": sorted({clip.speaker for clip in clips.training}),  # calibration leaves them out
            "clips": len(clips.training),
            "hours": round(sum(clip.seconds for clip in clips.training) / 3600, 3),
            "left_out": clips.left_out,
        },
        "config": config,
        "metrics": {name: round(value, 4) if isfinite(value) else None for name, value in metrics.items()},
        "avsync": version("avsync"),
        "torch": torch.__version__,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of this checkout, `-dirty` if files were changed since; None for an installed package."""
    here = Path(__file__)
    describe = ["git", "-C", str(here.parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    tracked = ["git", "-C", str(here.parent), "ls-files", "--error-unmatch", here.name]
    try:
        subprocess.run(tracked, check=True, capture_output=True)
        return subprocess.run(describe, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
