"""What every model has that fills a lattice."""

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn


class Aligner(nn.Module):
    """A model on disk: `format` names its kind, `config`, a frozen dataclass, is what it is made from."""

    format: ClassVar[str]
    config: Any


class Head(Aligner):
    """Fills the lattice from frozen features of lips and speech; `reading` is the one its method reads it by."""

    reading: ClassVar[str]

    @abstractmethod
    def accepts(self, lips: int, speech: int) -> bool:
        """Whether it was made for features of so many numbers a frame."""

    @abstractmethod
    def lattice(self, lips: Tensor, speech: Tensor, weight: Tensor) -> Tensor:
        """How well the lips at t fit the speech at t + δ, δ = -15 … 15; all tensors are on the CPU.

        Args:
            lips: float32 [T, Dv] (of `mouth`, uint8 [T, 96, 96]).
            speech: float32 [T, Da].
            weight: float32 [T], the share of speech in each frame.

        Returns:
            float32 [T, 31], NaN where t + δ is outside the clip.
        """
