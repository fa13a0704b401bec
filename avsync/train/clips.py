"""Which clips a training learns from, which it is validated on, and what is written down about them."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from avsync.config import DataConfig, TrainingConfig
from avsync.datasets.arrays import ClipArrays
from avsync.datasets.record import ClipRecord
from avsync.datasets.splits import split_by_speaker, training_records
from avsync.errors import UsageError
from avsync.media import FPS

Clip = TypeVar("Clip", bound=ClipArrays)


@dataclass(frozen=True)
class Split(Generic[Clip]):
    """Clips to train on, clips of other speakers to validate on, and how many could not be used."""

    training: Sequence[Clip]
    validation: Sequence[Clip]
    left_out: int


def split(config: DataConfig, seed: int, usable: Callable[[Sequence[ClipRecord]], Sequence[Clip]]) -> Split[Clip]:
    """Find the clips, make what training needs of them with `usable`, and split them by speaker.

    Raises:
        UsageError: fakes in the data, or no clip on one side of the split.
    """
    records = training_records(Path(config.root), config.exclude)
    _, unseen = split_by_speaker(records, config.validation, config.validation_share, seed)
    clips = usable(records)
    speakers = {record.speaker for record in unseen}
    training = [clip for clip in clips if clip.record.speaker not in speakers]
    validation = [clip for clip in clips if clip.record.speaker in speakers]
    left_out = len(records) - len(clips)
    if not training or not validation:
        raise UsageError(f"{config.root}: no usable clip on one side of the split ({left_out} were left out)")
    return Split(training, validation, left_out)


def recipe(config: TrainingConfig, clips: Split[Clip]) -> dict[str, Any]:
    """What the weights depend on, as plain data; no path of this machine."""
    settings = asdict(config)
    del settings["data"]
    for place in ("out", "resume", "loggers", "loaders"):
        settings["trainer"].pop(place, None)
    names = "\n".join(clip.key for clip in (*clips.training, *clips.validation))
    return {**settings, "clips_sha256": sha256(names.encode()).hexdigest()}


def provenance(
    config: DataConfig, made_by: Mapping[str, Any], clips: Split[Clip], metrics: Mapping[str, float]
) -> dict[str, Any]:
    """What the checkpoint says of its making: data, licence, config, figures of validation, versions."""
    return {
        "data": {
            "name": Path(config.root).resolve().name,
            "licence": config.licence,
            "excluded_speakers": list(config.exclude),
            "trained_on": sorted({clip.record.speaker for clip in clips.training}),  # calibration leaves them out
            "clips": len(clips.training),
            "hours": round(sum(clip.frames() for clip in clips.training) / FPS / 3600, 3),
            "left_out": clips.left_out,
        },
        "config": made_by,
        "metrics": {name: round(value, 4) if isfinite(value) else None for name, value in metrics.items()},
        "avsync": version("avsync"),
        "torch": torch.__version__,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of this checkout, `-dirty` where it was changed; None for an installed package."""
    here = Path(__file__)
    asked = ["git", "-C", str(here.parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    tracked = ["git", "-C", str(here.parent), "ls-files", "--error-unmatch", here.name]
    try:
        subprocess.run(tracked, check=True, capture_output=True)
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
