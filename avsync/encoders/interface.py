"""What every encoder of lips or of speech offers."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from avsync.clip import FaceClip


class LipEncoder(Protocol):
    """Frozen features of lips.

    Attributes:
        dim: D, features per frame.
        key: what the features depend on besides the clip, for caches.
    """

    @property
    def dim(self) -> int: ...  # noqa: D102

    @property
    def key(self) -> str: ...  # noqa: D102

    def lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip of T frames, [T, D] on the CPU."""


class SpeechEncoder(Protocol):
    """Frozen features of speech; `dim` and `key` as in `LipEncoder`."""

    @property
    def dim(self) -> int: ...  # noqa: D102

    @property
    def key(self) -> str: ...  # noqa: D102

    def speech(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip of T frames, [T, D] on the CPU."""
