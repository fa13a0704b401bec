"""Settings of the networks that tell real faces from reconstructed ones, and of their training."""

from dataclasses import dataclass, field

from avsync.config import RunConfig
from avsync.reconstruct.face import BLENDINGS, FACE_RECONSTRUCTIONS

FRAME_NETWORKS = ("small", "resnet18", "efficientnet_b0", "efficientnet_b4")
CLIP_NETWORK = "clip"
CLIP_FRAMES = 16  # 0.64 s, what the clip network looks at together
LEAST_FRAMES = 8  # that are rebuilt and encoded together: single pictures leave no trace of codecs or of time
_NETWORKS = (*FRAME_NETWORKS, CLIP_NETWORK)
SIDE = 192  # pixels of a side, of the patches of `avsync.clip.FaceClip`


@dataclass(frozen=True)
class AppearanceConfig:
    """The network.

    Attributes:
        network: of single frames: small, resnet18, efficientnet_b0 or efficientnet_b4; of 16 frames: clip.
        widths: channels of the entry and of the three stages; of small and clip.
        pixels: side of what is looked at, in the middle of patches of 192 pixels. The box of the face has 120.
        dropout: share of channels dropped before the outputs.
    """

    network: str = "efficientnet_b0"
    widths: list[int] = field(default_factory=lambda: [16, 32, 64, 96])
    pixels: int = 160
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.network not in _NETWORKS:
            raise ValueError(f"model.network must be one of {', '.join(_NETWORKS)}")
        if len(self.widths) != 4 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("model.widths must be four numbers from 1 to 512")
        if not 64 <= self.pixels <= SIDE or self.pixels % 2 or not 0 <= self.dropout < 1:
            raise ValueError(f"model.pixels must be even and 64 to {SIDE}, model.dropout in [0, 1)")


@dataclass(frozen=True)
class AppearanceOptions(AppearanceConfig):
    """The network, and what it starts from.

    Attributes:
        start: empty: random weights; imagenet: those of torchvision (`avsync weights pull`); or a file: such weights,
            or a model.safetensors of the same network, to go on from it.
    """

    start: str = ""


@dataclass(frozen=True)
class FacesConfig:
    """The reconstructions to learn from. Every pair is drawn anew.

    Attributes:
        kinds: names of reconstructions (`avsync.reconstruct.face`), such as self_blended or autoencoder:FILE; one that
            is named twice is drawn twice as often.
        left_out: names of others, to validate on beside the kinds.
        blending: how they are blended in (`avsync.reconstruct.face.BLENDINGS`); empty: drawn for each pair.
        camera: share of pairs that go through lenses, noise and codecs; the others stay as they were filmed.
        pairs: of real and reconstructed faces, in an epoch.
        validation_pairs: of unseen people; the kinds, and those that are left out, take turns.
    """

    kinds: list[str] = field(default_factory=lambda: list(FACE_RECONSTRUCTIONS))
    left_out: list[str] = field(default_factory=list)
    blending: str = ""
    camera: float = 1.0
    pairs: int = 2000
    validation_pairs: int = 200

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError("rebuild.kinds must name reconstructions, such as [self_blended]")
        if both := set(self.kinds) & set(self.left_out):
            raise ValueError(f"rebuild.left_out: {sorted(both)[0]} is in rebuild.kinds too")
        if self.blending and self.blending not in BLENDINGS:
            raise ValueError(f"rebuild.blending: unknown {self.blending}; known: {', '.join(BLENDINGS)}, or empty")
        if not 0 <= self.camera <= 1:
            raise ValueError("rebuild.camera must be 0 to 1")
        if self.pairs < 1 or self.validation_pairs < 1:
            raise ValueError("rebuild.pairs and rebuild.validation_pairs must be 1 or more")


@dataclass(frozen=True)
class StressConfig:
    """The pairs of a stress set to go on learning from.

    Attributes:
        left_out: kinds of reconstruction, as the set calls them, that validate only.
        pairs: of real and reconstructed faces, in an epoch.
        validation_pairs: of unseen people.
    """

    left_out: list[str] = field(default_factory=list)
    pairs: int = 400
    validation_pairs: int = 200

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.validation_pairs < 1:
            raise ValueError("stress.pairs and stress.validation_pairs must be 1 or more")


@dataclass(frozen=True)
class AppearanceTrainer(RunConfig):
    """Training on pairs of faces.

    Attributes:
        batch_size: pairs per step.
        frames: consecutive frames of each; the clip network takes 16.
        place_weight: weight of telling which places were rebuilt, beside telling real from reconstructed.
        num_workers: processes that make pairs; 0 makes them between steps.
    """

    epochs: int = 20
    output_dir: str = "runs/face_reconstruction"
    batch_size: int = 8
    frames: int = 4
    place_weight: float = 1.0
    num_workers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 2 or not 1 <= self.frames <= CLIP_FRAMES:
            raise ValueError(f"trainer.batch_size must be 2 or more, trainer.frames 1 to {CLIP_FRAMES}")
        if self.place_weight < 0 or self.num_workers < 0:
            raise ValueError("trainer.place_weight and trainer.num_workers must be 0 or more")
