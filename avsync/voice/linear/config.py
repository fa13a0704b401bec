"""Settings of logistic regression on frozen features of speech."""

from dataclasses import dataclass

FAKES, REBUILT = "labelled fakes", "real speech"


@dataclass(frozen=True)
class LinearConfig:
    """The model.

    Attributes:
        backbone: encodes speech; any name of a speech encoder that `avsync.encoders.registry` knows.
        features: key of the encoder's weights; set by the training.
        width: values of a pooled feature; set by the training.
        learned_from: "real speech" (and reconstructions of it) or "labelled fakes"; set by the training.
    """

    backbone: str = "temporal"
    features: str = ""
    width: int = 1
    learned_from: str = REBUILT

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 65_536:
            raise ValueError("model.width must be 1 to 65536")
        if self.learned_from not in (FAKES, REBUILT):
            raise ValueError(f"model.learned_from must be '{REBUILT}' or '{FAKES}'")
