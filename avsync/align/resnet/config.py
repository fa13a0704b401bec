"""Settings of the ResNet aligner."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ResNetOptions:
    """The settings that a training config may change.

    Attributes:
        width: channels of the temporal networks.
        features: dimensions of the space that lips and speech share.
        dropout: share of channels dropped in each temporal block.
    """

    width: int = 256
    features: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 4096 and 1 <= self.features <= 4096):
            raise ValueError("model.width and model.features must be 1 to 4096")
        if not 0 <= self.dropout < 1:
            raise ValueError("model.dropout must be in [0, 1)")


@dataclass(frozen=True)
class ResNetConfig(ResNetOptions):
    """The whole network.

    Attributes:
        speech_dim: values per frame of the frozen speech features.
    """

    speech_dim: int = 768

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.speech_dim <= 8192:
            raise ValueError("model.speech_dim must be 1 to 8192")
