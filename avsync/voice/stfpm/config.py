"""Settings of student-teacher feature pyramid matching."""

from dataclasses import dataclass, field

from avsync.config import PiecesConfig

TEACHERS = ("own", "resnet18")


@dataclass(frozen=True)
class StfpmConfig:
    """The networks.

    Attributes:
        teacher: own (learned from the same speech, without labels) or resnet18 (of ImageNet, as in the paper).
        widths: channels of the entry and of the three stages of the own teacher and its student.
    """

    teacher: str = "own"
    widths: list[int] = field(default_factory=lambda: [24, 32, 48, 64])

    def __post_init__(self) -> None:
        if self.teacher not in TEACHERS:
            raise ValueError(f"model.teacher must be one of {', '.join(TEACHERS)}")
        if len(self.widths) != 4 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("model.widths must be four numbers from 1 to 512")


@dataclass(frozen=True)
class StfpmTrainerConfig(PiecesConfig):
    """Training of the teacher, then of the student.

    Attributes:
        teacher_epochs: how many of the epochs train the own teacher; a resnet18 needs none.
    """

    output_dir: str = "runs/voice_stfpm"
    batch_size: int = 24
    samples: int = 24_000
    teacher_epochs: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.teacher_epochs < self.epochs:
            raise ValueError("trainer.teacher_epochs must be 0 or more, and less than trainer.epochs")
