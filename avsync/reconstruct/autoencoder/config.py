"""Settings of the networks that rebuild faces, and of their training."""

from dataclasses import dataclass, field

from avsync.config import OptimConfig, RunConfig

KINDS = ("plain", "vq", "kl")
SIZES = (128, 256)
MOST_DECODERS = 64  # one has 2 MB at the default width


@dataclass(frozen=True)
class AutoencoderOptions:
    """The network.

    Attributes:
        kind: plain, vq (the code is quantised) or kl (the code is drawn around what the encoder says).
        size: pixels of a side, 128 or 256.
        width: channels at the largest scale; each next one has twice as many.
        levels: how often pictures are halved; a code of 3 levels has an eighth of the rows and columns.
        latent: channels of the code.
        codebooks, entries: of the kind vq.
        decoders: speakers that get a decoder of their own, at most: those with most footage. All others share one.
    """

    kind: str = "plain"
    size: int = 128
    width: int = 32
    levels: int = 3
    latent: int = 16
    codebooks: int = 8
    entries: int = 256
    decoders: int = 8

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.size not in SIZES:
            raise ValueError(f"model.kind must be one of {', '.join(KINDS)}, model.size 128 or 256")
        if not (4 <= self.width <= 256 and 2 <= self.levels <= 5 and 1 <= self.latent <= 512):
            raise ValueError("model.width must be 4 to 256, model.levels 2 to 5, model.latent 1 to 512")
        if not (1 <= self.codebooks <= 32 and 2 <= self.entries <= 8192 and 0 <= self.decoders <= MOST_DECODERS):
            raise ValueError(
                f"model.codebooks must be 1 to 32, model.entries 2 to 8192, model.decoders 0 to {MOST_DECODERS}"
            )


@dataclass(frozen=True)
class AutoencoderConfig(AutoencoderOptions):
    """The network and whose faces it knows.

    Attributes:
        identities: speakers with a decoder of their own, in the order of the decoders after the shared one.
    """

    identities: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.identities) > MOST_DECODERS or len(set(self.identities)) < len(self.identities):
            raise ValueError(f"model.identities must name at most {MOST_DECODERS} different speakers")


@dataclass(frozen=True)
class AutoencoderOptim(OptimConfig):
    """AdamW with a one-cycle schedule, and what is added to the mean distance of pixels.

    Attributes:
        gradient: weight of the distance of gradients at four scales.
        structure: weight of the loss of structure at three scales (1 - SSIM).
        code: weight of the loss of the code of the kind kl; small, as in latent diffusion.
    """

    lr: float = 1e-3
    gradient: float = 1.0
    structure: float = 0.2
    code: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.gradient, self.structure, self.code) < 0:
            raise ValueError("optim.gradient, optim.structure and optim.code must be 0 or more")


@dataclass(frozen=True)
class PicturesConfig(RunConfig):
    """Training on random pictures of faces.

    Attributes:
        steps: per epoch.
        batch_size: pictures per step.
        num_workers: processes that draw pictures; 0 draws them between steps.
    """

    epochs: int = 20
    output_dir: str = "runs/face_autoencoder"
    steps: int = 200
    batch_size: int = 16
    num_workers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 or self.batch_size < 1 or self.num_workers < 0:
            raise ValueError("trainer.steps and trainer.batch_size must be 1 or more, trainer.num_workers 0 or more")
