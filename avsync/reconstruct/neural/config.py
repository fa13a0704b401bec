"""Settings of the networks that rebuild speech, and of their training."""

from dataclasses import dataclass, field
from math import prod

KINDS = ("fourier", "upsampling", "codec")


@dataclass(frozen=True)
class VocoderConfig:
    """The network.

    Attributes:
        kind: fourier (frames added up), upsampling (transposed convolutions) or codec (quantised).
        strides: of the transposed convolutions; their product is the hop in samples.
        width: channels at the widest place.
        blocks: ConvNeXt blocks of the fourier kind.
        codebooks: of the codec kind.
    """

    kind: str = "fourier"
    strides: list[int] = field(default_factory=lambda: [160])
    width: int = 192
    blocks: int = 5
    codebooks: int = 8

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"model.kind must be one of {', '.join(KINDS)}")
        if not self.strides or min(self.strides) < 1 or not 32 <= prod(self.strides) <= 2048:
            raise ValueError("model.strides must have a product of 32 to 2048 samples")
        if not (8 <= self.width <= 1024 and 1 <= self.blocks <= 32 and 1 <= self.codebooks <= 32):
            raise ValueError("model.width must be 8 to 1024, model.blocks and model.codebooks 1 to 32")


@dataclass(frozen=True)
class VocoderOptim:
    """AdamW of generator and discriminator (betas 0.8 and 0.99, as HiFi-GAN), falling along a cosine.

    Attributes:
        lr: of the generator, at its highest.
        discriminator_lr: of the discriminator.
        adversarial_from: share of the training after which the discriminator joins.
    """

    lr: float = 2e-3
    discriminator_lr: float = 3e-4
    adversarial_from: float = 0.3

    def __post_init__(self) -> None:
        if not (self.lr > 0 and self.discriminator_lr > 0 and 0 <= self.adversarial_from <= 1):
            raise ValueError("optim.lr and optim.discriminator_lr must be above 0, optim.adversarial_from in [0, 1]")
