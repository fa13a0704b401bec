"""Settings of the network that tells real speech from reconstructed speech."""

from dataclasses import dataclass, field

from avsync.config import RunConfig
from avsync.reconstruct.speech import RECONSTRUCTIONS


@dataclass(frozen=True)
class NetworkConfig:
    """The network.

    Attributes:
        widths: channels of the entry and of the three stages.
        dropout: share of channels dropped before the outputs.
    """

    widths: list[int] = field(default_factory=lambda: [24, 32, 48, 64])
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or not all(1 <= width <= 512 for width in self.widths):
            raise ValueError("model.widths must be four numbers from 1 to 512")
        if not 0 <= self.dropout < 1:
            raise ValueError("model.dropout must be in [0, 1)")


@dataclass(frozen=True)
class ReconstructionConfig(NetworkConfig):
    """The network and what it learned to name.

    Attributes:
        kinds: names of the reconstructions that it told apart while it learned.
    """

    kinds: list[str] = field(default_factory=lambda: ["any"])

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.kinds) <= 64:
            raise ValueError("model.kinds must name 1 to 64 reconstructions")


@dataclass(frozen=True)
class RebuildConfig:
    """The reconstructions to learn from.

    Attributes:
        kinds: names of reconstructions (`avsync.reconstruct.speech`), such as griffin_lim or neural:FILE; one that is
            named twice is drawn twice as often.
        left_out: names of others, to validate on.
        pairs: of real and reconstructed speech to make for training.
        validation_pairs: to make of unseen speakers.
    """

    kinds: list[str] = field(default_factory=lambda: list(RECONSTRUCTIONS))
    left_out: list[str] = field(default_factory=list)
    pairs: int = 4000
    validation_pairs: int = 400

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError("rebuild.kinds must name reconstructions, such as [griffin_lim, world]")
        if both := set(self.kinds) & set(self.left_out):
            raise ValueError(f"rebuild.left_out: {sorted(both)[0]} is in rebuild.kinds too")
        if self.pairs < len(self.kinds) or self.validation_pairs < 1:
            raise ValueError("rebuild.pairs must be one for each kind or more, rebuild.validation_pairs 1 or more")


@dataclass(frozen=True)
class PairsConfig(RunConfig):
    """Training on pairs.

    Attributes:
        batch_size: pairs per step.
        samples: of a piece at 16 kHz, at most 32000 (2 s).
        kind_weight: weight of telling the kinds apart, beside telling real from reconstructed.
    """

    epochs: int = 20
    output_dir: str = "runs/voice_reconstruction"
    batch_size: int = 12
    samples: int = 24_000
    kind_weight: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 2 or not 8000 <= self.samples <= 32_000 or self.kind_weight < 0:
            raise ValueError(
                "trainer.batch_size must be 2 or more, trainer.samples 8000 to 32000, trainer.kind_weight 0 or more"
            )
