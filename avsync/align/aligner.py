"""The base classes of every model that fills a lattice."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from avsync.checkpoint import Model


class Aligner(Model):
    """A model of lips and speech."""

    check: ClassVar[str] = "lips"


class Head(Aligner):
    """A model that fills the lattice from frozen features of lips and speech.

    Attributes:
        reading: the lattice reading its authors use.
    """

    reading: ClassVar[str]

    @abstractmethod
    def accepts(self, lip_dim: int, speech_dim: int) -> bool:
        """Whether the head works on lip and speech features with this many values per frame."""

    @abstractmethod
    def lattice(self, lips: Tensor, speech: Tensor, speech_share: Tensor) -> Tensor:
        """Return how well the lips at t fit the speech at t + δ, δ = -15 … 15; all tensors are on the CPU.

        Args:
            lips: float32 [T, Dv]; mouth crops, uint8 [T, 96, 96], for a head with a lip encoder of its own.
            speech: float32 [T, Da].
            speech_share: float32 [T], the share of speech in each frame.

        Returns:
            float32 [T, 31], NaN where t + δ is outside the clip.
        """
