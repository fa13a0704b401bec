"""Settings of the default model and of its augmentation."""

from dataclasses import dataclass

from avsync.align.temporal.geometry import POINTS


@dataclass(frozen=True)
class TemporalConfig:
    """The network of the default model.

    Attributes:
        landmarks, pixels: whether the lip encoder gets lip and chin points, and 48×48 mouth crops.
        width: channels of the temporal networks.
        components: principal components of the lip points.
        dropout: share of channels dropped in each temporal block.
        input_dropout: how often training hides either lip input, so that the model relies on neither alone.
    """

    landmarks: bool = True
    pixels: bool = True
    width: int = 96
    components: int = 16
    dropout: float = 0.2
    input_dropout: float = 0.15

    def __post_init__(self) -> None:
        if not (self.landmarks or self.pixels):
            raise ValueError("model.landmarks and model.pixels: at least one must be on")
        if not (1 <= self.width <= 1024 and 1 <= self.components <= POINTS):
            raise ValueError(f"model.width must be 1 to 1024, model.components 1 to {POINTS}")
        if not (0 <= self.dropout < 1 and 0 <= self.input_dropout <= 0.5):
            raise ValueError("model.dropout must be in [0, 1), model.input_dropout in [0, 0.5]")


@dataclass(frozen=True)
class AugmentConfig:
    """The augmentations worth tuning; the others are constants of `avsync.align.temporal.augment`.

    Attributes:
        speed: lips and speech together are played up to exp(speed) times faster or slower.
        random_filter: share of clips whose pictures are blended with a randomly filtered copy (RandConv, Xu et al.,
            ICLR 2021): shapes stay, textures change.
    """

    speed: float = 0.25
    random_filter: float = 0.3

    def __post_init__(self) -> None:
        if not (0 <= self.speed <= 1 and 0 <= self.random_filter <= 1):
            raise ValueError("augment.speed and augment.random_filter must be in [0, 1]")
