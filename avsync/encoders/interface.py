"""What every encoder of lips or of speech offers."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.clip import FaceClip


class Heard(Protocol):
    """Sound of T frames: a `FaceClip` or a `SoundClip`."""

    @property
    def waveform(self) -> NDArray[np.float32]: ...  # noqa: D102

    @property
    def speech_share(self) -> NDArray[np.float32]: ...  # noqa: D102

    def __len__(self) -> int: ...


class Encoder(Protocol):
    """A source of frozen features.

    Attributes:
        dim: D, values per frame.
        key: identifies everything the features depend on besides the clip; part of the keys of caches.
        dtype: the type the feature store keeps: float16 for networks, uint8 for mouth crops.
    """

    @property
    def dim(self) -> int: ...  # noqa: D102

    @property
    def key(self) -> str: ...  # noqa: D102

    @property
    def dtype(self) -> torch.dtype: ...  # noqa: D102


class LipEncoder(Encoder, Protocol):
    """Encodes lips."""

    def encode_lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Return [T, D] on the CPU for each clip of T frames; mouth crops are uint8 [T, 96, 96]."""


class SpeechEncoder(Encoder, Protocol):
    """Encodes speech."""

    def encode_speech(self, clips: Sequence[Heard]) -> list[Tensor]:
        """Return [T, D] on the CPU for each clip of T frames."""
