"""The training's configuration: a typed YAML file with `key=value` overrides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avsync.align.augment import AugmentConfig
from avsync.align.temporal import AlignerConfig
from avsync.errors import UsageError

LOGGERS = ("csv", "tensorboard", "wandb")


@dataclass(frozen=True)
class DataConfig:
    """Where the clips are and which of them to use.

    Attributes:
        root: a VoxCeleb2-layout tree of real video.
        cache: folder of the prepared clips, about 0.25 MB per second of video.
        exclude: globs of speakers to leave out.
        validation: globs of speakers to validate on; if empty, speakers are drawn.
        validation_share: drawn speakers have together at most this share of the clips.
        licence: of the data, for the checkpoint's provenance.
        workers: processes that prepare clips.
    """

    root: str = "???"
    cache: str = ".cache/prepared"
    exclude: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)
    validation_share: float = 0.05
    licence: str = ""
    workers: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.validation_share < 1:
            raise ValueError("data.validation_share must be between 0 and 1")
        if self.workers < 1:
            raise ValueError("data.workers must be 1 or more")


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with a one-cycle schedule that peaks at `lr`; gradients are clipped to the norm `clip`."""

    lr: float = 2e-3
    weight_decay: float = 0.01
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not (self.lr > 0 and self.weight_decay >= 0 and self.clip > 0):
            raise ValueError("optim.lr and optim.clip must be above 0, optim.weight_decay not below")


@dataclass(frozen=True)
class TrainerConfig:
    """How long to train, and where results go.

    Attributes:
        epochs: each takes one segment of every clip.
        batch_size: segments per step.
        segment: frames per segment, at 25 per second.
        loaders: processes that load segments; 0 loads them between steps, which is quickest on few cores.
        seed: of everything random; on a CPU the same seed gives the same weights.
        loggers: any of csv, tensorboard, wandb (offline).
        out: folder of the model, the checkpoints and the logs.
        resume: go on from the last checkpoint in `out`, if there is one.
    """

    epochs: int = 20
    batch_size: int = 32
    segment: int = 50
    loaders: int = 0
    seed: int = 0
    loggers: list[str] = field(default_factory=lambda: ["csv", "tensorboard"])
    out: str = "runs/default"
    resume: bool = True

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size) < 1 or self.segment < 8:
            raise ValueError("trainer.epochs and trainer.batch_size must be 1 or more, trainer.segment 8 or more")
        if min(self.loaders, self.seed) < 0:
            raise ValueError("trainer.loaders and trainer.seed must not be negative")
        if unknown := set(self.loggers).difference(LOGGERS):
            raise ValueError(f"trainer.loggers: unknown {', '.join(sorted(unknown))}; known: {', '.join(LOGGERS)}")


@dataclass(frozen=True)
class Config:
    """All that `train` reads."""

    data: DataConfig = field(default_factory=DataConfig)
    model: AlignerConfig = field(default_factory=AlignerConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file; `overrides` such as `optim.lr=1e-3` count more than it, and it more than the defaults.

    Raises:
        UsageError: an unknown key, a value of the wrong type or range, `data.root` missing, or no such file.
    """
    try:
        file = OmegaConf.load(path)
        config: Any = OmegaConf.to_object(
            OmegaConf.merge(OmegaConf.structured(Config), file, *(_override(text) for text in overrides))
        )
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such config file") from error
    except (OSError, OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
        key = getattr(error, "full_key", None)
        raise UsageError(f"{path}: {f'{key}: ' if key else ''}{str(error).splitlines()[0]}") from error
    assert isinstance(config, Config)
    return config


def _override(text: str) -> DictConfig:
    try:
        if "=" not in text:
            raise ValueError(text)
        return OmegaConf.from_dotlist([text])
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UsageError(
            f"'{text}': not an override; write key=value, with lists as [a,b] and odd text quoted"
        ) from error
