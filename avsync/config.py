"""The training's configuration: a typed YAML file with `key=value` overrides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avsync.align.temporal.augment import AugmentConfig
from avsync.align.resnet import ResNetOptions
from avsync.align.temporal.model import TemporalConfig
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
class PlateauConfig:
    """Adam as AVH-Align has it (Smeu et al., CVPR 2025): the learning rate falls to a tenth of `lr` when `patience`
    epochs brought no smaller validation loss, and training ends after `stop` such epochs."""

    lr: float = 1e-5
    patience: int = 5
    stop: int = 10

    def __post_init__(self) -> None:
        if not (self.lr > 0 and self.patience >= 0 and self.stop > 0):
            raise ValueError("optim.lr and optim.stop must be above 0, optim.patience not below")


@dataclass(frozen=True)
class RunConfig:
    """How long to train, and where results go.

    Attributes:
        epochs: each looks at every clip once.
        seed: of everything random; on a CPU the same seed gives the same weights.
        loggers: any of csv, tensorboard, wandb (offline).
        out: folder of the model, the checkpoints and the logs.
        resume: go on from the last checkpoint in `out`, if there is one.
    """

    epochs: int = 20
    seed: int = 0
    loggers: list[str] = field(default_factory=lambda: ["csv", "tensorboard"])
    out: str = "runs/default"
    resume: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.seed < 0:
            raise ValueError("trainer.epochs must be 1 or more, trainer.seed not negative")
        if unknown := set(self.loggers).difference(LOGGERS):
            raise ValueError(f"trainer.loggers: unknown {', '.join(sorted(unknown))}; known: {', '.join(LOGGERS)}")


@dataclass(frozen=True)
class SegmentsConfig(RunConfig):
    """Training on one random segment of every clip per epoch.

    Attributes:
        batch_size: segments per step.
        segment: frames per segment, at 25 per second.
        loaders: processes that load segments; 0 loads them between steps, which is quickest on few cores.
    """

    batch_size: int = 32
    segment: int = 50
    loaders: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 1 or self.segment < 8 or self.loaders < 0:
            raise ValueError("trainer.batch_size must be 1 or more, trainer.segment 8 or more, trainer.loaders 0")


@dataclass(frozen=True)
class FramesConfig(RunConfig):
    """Training on all frames of all clips: `frames` per step."""

    epochs: int = 100
    out: str = "runs/avhubert_mlp"
    frames: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 1:
            raise ValueError("trainer.frames must be 1 or more")


@dataclass(frozen=True)
class Config:
    """The default model: its encoders learn with it."""

    method: str = "temporal"
    data: DataConfig = field(default_factory=DataConfig)
    model: TemporalConfig = field(default_factory=TemporalConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: SegmentsConfig = field(default_factory=SegmentsConfig)


@dataclass(frozen=True)
class MLPTraining:
    """The head of AVH-Align on frozen features of any `backbone` (`avsync.features.backbone`)."""

    method: str = "mlp"
    backbone: str = "avhubert"
    data: DataConfig = field(default_factory=lambda: DataConfig(cache=".cache/features"))
    optim: PlateauConfig = field(default_factory=PlateauConfig)
    trainer: FramesConfig = field(default_factory=FramesConfig)


@dataclass(frozen=True)
class ResNetTraining:
    """A ResNet of mouths, trained beside frozen features of `speech`, an encoder as in `avsync.features.backbone`."""

    method: str = "resnet"
    speech: str = "ssl:facebook/hubert-base-ls960@9"
    data: DataConfig = field(default_factory=lambda: DataConfig(cache=".cache/features"))
    model: ResNetOptions = field(default_factory=ResNetOptions)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=1e-3))
    trainer: SegmentsConfig = field(default_factory=lambda: SegmentsConfig(out="runs/hubert_resnet"))


TrainingConfig = Config | MLPTraining | ResNetTraining
_METHODS: dict[str, type[TrainingConfig]] = {"temporal": Config, "mlp": MLPTraining, "resnet": ResNetTraining}


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a YAML file; `overrides` such as `optim.lr=1e-3` count more than it, and it more than the defaults.

    Raises:
        UsageError: an unknown method or key, a value of the wrong type or range, `data.root` missing, or no such file.
    """
    try:
        said = OmegaConf.merge(OmegaConf.load(path), *(_override(text) for text in overrides))
        method = said.get("method", "temporal") if isinstance(said, DictConfig) else "temporal"
        if method not in _METHODS:
            raise ValueError(f"method: unknown {method}; known: {', '.join(_METHODS)}")
        config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(_METHODS[method]), said))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such config file") from error
    except (OSError, OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
        key = getattr(error, "full_key", None)
        raise UsageError(f"{path}: {f'{key}: ' if key else ''}{str(error).splitlines()[0]}") from error
    assert isinstance(config, TrainingConfig)
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
