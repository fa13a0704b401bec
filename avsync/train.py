"""Train the default aligner on real video, from a config to a checkpoint."""

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from avsync.align import TemporalAligner, save_checkpoint
from avsync.align.data import AlignmentData, Geometry
from avsync.align.module import AlignmentModule
from avsync.config import Config
from avsync.datasets.prepare import PreparedClip, prepare
from avsync.datasets.training import split_by_speaker, training_records
from avsync.errors import UsageError
from avsync.media import FPS

NAME = "avsync-temporal-1"


def train(config: Config) -> Path:
    """Prepare the clips, train, and write `<out>/model.safetensors` with its JSON.

    Killed at any time and started again with the same config, it goes on from the last whole epoch and ends at the same
    weights. On a CPU the same config and data give the same weights.

    Returns:
        The path of the weights.

    Raises:
        UsageError: fakes in the data, no clips, a logger that is not installed, or checkpoints in `trainer.out` that
            another config or other data made.
    """
    training, validation, left_out = _clips(config)
    out = Path(config.trainer.out)
    loggers = _loggers(config.trainer.loggers, out)
    recipe = _recipe(config, training, validation)
    last = _last_checkpoint(out, recipe, config.trainer.resume)
    torch.manual_seed(config.trainer.seed)
    model = TemporalAligner(config.model)
    geometry = Geometry.fit(training, config.model.components)
    model.mean_face.copy_(torch.from_numpy(geometry.mean_face))
    model.components.copy_(torch.from_numpy(geometry.components))
    module = AlignmentModule(model, config.optim, config.augment, config.trainer.seed)
    data = AlignmentData(training, validation, geometry, config.augment, config.trainer)
    with _quiet():
        trainer = _trainer(config, loggers)
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
        metrics = trainer.validate(module, datamodule=data, verbose=False)[0]
    notes = {"name": NAME, "provenance": _provenance(config, recipe, training, left_out, metrics)}
    save_checkpoint(model, out / "model.safetensors", notes)
    return out / "model.safetensors"


def _clips(config: Config) -> tuple[list[PreparedClip], list[PreparedClip], int]:
    """Clips to train on, clips to validate on, and how many were refused."""
    records = training_records(Path(config.data.root), config.data.exclude)
    share, seed = config.data.validation_share, config.trainer.seed
    _, unseen = split_by_speaker(records, config.data.validation, share, seed)
    prepared, refused = prepare(records, Path(config.data.cache), config.data.workers)
    speakers = {record.speaker for record in unseen}
    training = [clip for clip in prepared if clip.record.speaker not in speakers]
    validation = [clip for clip in prepared if clip.record.speaker in speakers]
    if not training or not validation:
        raise UsageError(f"{config.data.root}: no usable clip on one side of the split ({len(refused)} were left out)")
    return training, validation, len(refused)


def _loggers(names: Sequence[str], out: Path) -> list[Logger]:
    for name in {"tensorboard", "wandb"}.intersection(names):
        if find_spec(name) is None:
            raise UsageError(f"trainer.loggers: {name} is not installed; pip install {name}")
    make: dict[str, Callable[[], Logger]] = {
        "csv": lambda: CSVLogger(out, "csv"),
        "tensorboard": lambda: TensorBoardLogger(out, "tensorboard"),
        "wandb": lambda: WandbLogger(project="avsync", save_dir=out, offline=True),
    }
    return [make[name]() for name in names]


def _recipe(config: Config, training: Sequence[PreparedClip], validation: Sequence[PreparedClip]) -> dict[str, Any]:
    """What the weights depend on, as plain data; no path of this machine."""
    settings = {name: asdict(getattr(config, name)) for name in ("model", "augment", "optim", "trainer")}
    for place in ("out", "resume", "loggers", "loaders"):
        del settings["trainer"][place]
    names = "\n".join(clip.path.stem for clip in (*training, *validation))  # hashes of their content
    return {**settings, "clips_sha256": sha256(names.encode()).hexdigest()}


def _last_checkpoint(out: Path, recipe: dict[str, Any], resume: bool) -> Path | None:
    """The checkpoint to go on from, if any; notes for the next time what this training is."""
    last, note = out / "checkpoints" / "last.ckpt", out / "checkpoints" / "recipe.json"
    text = json.dumps(recipe, indent=2) + "\n"
    if resume and last.exists():
        if not note.exists() or note.read_text() != text:
            raise UsageError(
                f"{last}: of another config or other clips; set trainer.resume=false or another trainer.out"
            )
        try:
            torch.load(last, map_location="cpu", weights_only=True)
        except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as error:
            raise UsageError(f"{last}: damaged; set trainer.resume=false to start again") from error
        return last
    last.unlink(missing_ok=True)
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(note)
    return None


def _trainer(config: Config, loggers: list[Logger]) -> Trainer:
    every_epoch = ModelCheckpoint(
        Path(config.trainer.out) / "checkpoints", "last", enable_version_counter=False, save_on_train_epoch_end=True
    )
    return Trainer(
        max_epochs=config.trainer.epochs,
        devices=1,
        logger=loggers,
        callbacks=[every_epoch],
        gradient_clip_val=config.optim.clip,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        reload_dataloaders_every_n_epochs=1,
        enable_model_summary=False,
        enable_progress_bar=sys.stdout.isatty(),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning speaks through its progress bar only."""
    chatty = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*exists and is not empty.*")
            warnings.filterwarnings("ignore", ".*LeafSpec.*")
            yield
    finally:
        for logger, level in zip(chatty, levels, strict=True):
            logger.setLevel(level)


def _provenance(
    config: Config,
    recipe: dict[str, Any],
    training: Sequence[PreparedClip],
    left_out: int,
    metrics: Mapping[str, float],
) -> dict[str, Any]:
    return {
        "data": {
            "name": Path(config.data.root).resolve().name,
            "licence": config.data.licence,
            "excluded_speakers": list(config.data.exclude),
            "trained_on": sorted({clip.record.speaker for clip in training}),  # calibration leaves them out
            "clips": len(training),
            "hours": round(sum(clip.frames() for clip in training) / FPS / 3600, 3),
            "left_out": left_out,
        },
        "config": recipe,
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
