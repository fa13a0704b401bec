"""Settings that trainings share. `avsync.train.config` puts them together, one class per recipe."""

from dataclasses import dataclass, field

LOGGERS = ("csv", "tensorboard", "wandb")
STRATEGIES = ("auto", "ddp")


@dataclass(frozen=True)
class DataConfig:
    """Where the clips are and which of them to use.

    Attributes:
        root: folder of a data set of real video (VoxCeleb2 layout), or of real speech by speaker; or tar files of
            `avsync pack`, such as shards/{000000..000041}.tar.
        dataset: name of the data set; empty: it is detected from the folder.
        cache: folder of what is computed from the recordings; kept between runs.
        exclude: globs of speakers to leave out, for example for their licence.
        validation: globs of speakers to validate on; if empty, speakers are drawn at random.
        validation_share: the largest share of the clips that drawn speakers may have together.
        licence: licence of the data; written into the checkpoint.
        num_workers: processes that decode clips and find faces.
    """

    root: str = "???"
    dataset: str = ""
    cache: str = ".cache/features"
    exclude: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)
    validation_share: float = 0.05
    licence: str = ""
    num_workers: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.validation_share < 1:
            raise ValueError("data.validation_share must be between 0 and 1")
        if self.num_workers < 1:
            raise ValueError("data.num_workers must be 1 or more")


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with a one-cycle schedule.

    Attributes:
        lr: peak of the learning rate.
        weight_decay: of AdamW.
        clip: norm to which gradients are clipped.
    """

    lr: float = 2e-3
    weight_decay: float = 0.01
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not (self.lr > 0 and self.weight_decay >= 0 and self.clip > 0):
            raise ValueError("optim.lr and optim.clip must be above 0, optim.weight_decay 0 or more")


@dataclass(frozen=True)
class PlateauConfig:
    """Adam whose learning rate falls on plateaus, as in AVH-Align (Smeu et al., CVPR 2025).

    Attributes:
        lr: learning rate at the start.
        lr_patience: epochs without a smaller validation loss before the learning rate falls to a tenth.
        early_stopping_patience: epochs without a smaller validation loss before training ends.
    """

    lr: float = 1e-5
    lr_patience: int = 5
    early_stopping_patience: int = 10

    def __post_init__(self) -> None:
        if not (self.lr > 0 and self.lr_patience >= 0 and self.early_stopping_patience > 0):
            raise ValueError("optim.lr and optim.early_stopping_patience must be above 0, optim.lr_patience 0 or more")


@dataclass(frozen=True)
class RunConfig:
    """How long to train, and where results go.

    Attributes:
        epochs: passes over all clips, at most.
        seed: of everything random; on a CPU the same seed gives the same weights.
        loggers: any of csv, tensorboard, wandb (offline).
        output_dir: folder of model.safetensors, the checkpoints and the logs.
        resume: continue from the last checkpoint in `output_dir`, if there is one.
    """

    epochs: int = 20
    seed: int = 0
    loggers: list[str] = field(default_factory=lambda: ["csv", "tensorboard"])
    output_dir: str = "runs/default"
    resume: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.seed < 0:
            raise ValueError("trainer.epochs must be 1 or more, trainer.seed 0 or more")
        if unknown := set(self.loggers).difference(LOGGERS):
            raise ValueError(f"trainer.loggers: unknown {', '.join(sorted(unknown))}; known: {', '.join(LOGGERS)}")


@dataclass(frozen=True)
class DevicesConfig(RunConfig):
    """Training on one or several devices of one machine.

    Attributes:
        devices: GPUs, or processes on a machine without a GPU. Each takes a batch of its own at every step: two devices
            learn what one learns from batches twice as large.
        strategy: how devices work together: auto, or ddp (DistributedDataParallel), which auto takes for several.
    """

    devices: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.devices < 1 or self.strategy not in STRATEGIES:
            raise ValueError(f"trainer.devices must be 1 or more, trainer.strategy {' or '.join(STRATEGIES)}")


@dataclass(frozen=True)
class SegmentsConfig(DevicesConfig):
    """Training on one random segment of every clip per epoch.

    Attributes:
        batch_size: segments per step and device, a multiple of `per_speaker`.
        per_speaker: segments of one speaker in a row; each lip frame must find its speech among all of theirs.
        speaker_power: speakers are drawn in proportion to their number of clips to this power, so that one with many
            clips does not drown the others; 1 draws clips alike, 0 draws speakers alike.
        segment: frames per segment, at 25 per second.
        num_workers: processes that load segments; 0 loads them between steps, which is fastest on few cores.
    """

    batch_size: int = 32
    per_speaker: int = 4
    speaker_power: float = 0.5
    segment: int = 50
    num_workers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 1 or self.segment < 8 or self.num_workers < 0:
            raise ValueError(
                "trainer.batch_size must be 1 or more, trainer.segment 8 or more, trainer.num_workers 0 or more"
            )
        if self.per_speaker < 1 or self.batch_size % self.per_speaker or not 0 <= self.speaker_power <= 1:
            raise ValueError(
                "trainer.batch_size must be a multiple of trainer.per_speaker, trainer.speaker_power in [0, 1]"
            )


@dataclass(frozen=True)
class FramesConfig(DevicesConfig):
    """Training on all frames of all clips.

    Attributes:
        frames: frames per step and device.
    """

    epochs: int = 100
    output_dir: str = "runs/avhubert_mlp"
    frames: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 1:
            raise ValueError("trainer.frames must be 1 or more")


@dataclass(frozen=True)
class PiecesConfig(RunConfig):
    """Training on random pieces of speech.

    Attributes:
        steps: per epoch.
        batch_size: pieces per step.
        samples: of a piece, at 16 kHz.
    """

    epochs: int = 20
    output_dir: str = "runs/vocoder"
    steps: int = 100
    batch_size: int = 8
    samples: int = 8192

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 or self.batch_size < 1 or self.samples < 2048:
            raise ValueError("trainer.steps and trainer.batch_size must be 1 or more, trainer.samples 2048 or more")
