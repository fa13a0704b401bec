"""Settings of the AVH-Align head."""

from dataclasses import dataclass

_MAX_DIM = 16384  # values per frame; no encoder has more


@dataclass(frozen=True)
class MLPConfig:
    """The inputs of the head; the rest is fixed by the paper.

    Attributes:
        lips: values per frame of the lip features.
        speech: values per frame of the speech features.
    """

    lips: int = 1024
    speech: int = 1024

    def __post_init__(self) -> None:
        if not all(1 <= dim <= _MAX_DIM for dim in (self.lips, self.speech)):
            raise ValueError(f"model.lips and model.speech must be 1 to {_MAX_DIM}")
