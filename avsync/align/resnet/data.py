"""Mouth crops and frozen features of speech, as the ResNet is trained on them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from avsync.align.segments import SegmentData
from avsync.datasets.arrays import ClipArrays


class MouthBatch(NamedTuple):
    """Segments: `mouth` uint8 [B, T, 96, 96], `speech` float32 [B, T, Da], `weight` float32 [B, T]."""

    mouth: Tensor
    speech: Tensor
    weight: Tensor


class WholeMouth(NamedTuple):
    """A clip, as `MouthBatch` without B, and whose it is."""

    mouth: Tensor
    speech: Tensor
    weight: Tensor
    speaker: str


class ResNetData(SegmentData):
    """Segments and whole clips for a `ResNetModule`.

    The clips have `lips` uint8 [T, 96, 96], `speech` float [T, Da] and `weight` float32 [T], the share of speech.
    """

    def segments(self, clips: Sequence[ClipArrays], seed: tuple[int, int]) -> "MouthSegments":
        """One segment of each clip."""
        return MouthSegments(clips, self._config.segment, seed)

    @staticmethod
    def whole(clip: ClipArrays) -> WholeMouth:
        """All of a clip's arrays."""
        return WholeMouth(*_rows(clip, 0, clip.frames()), clip.record.speaker)


class MouthSegments(Dataset[MouthBatch]):
    """One random segment of each clip, at its own speed: frozen features of speech cannot be played faster.

    Args:
        clips: with the arrays that `ResNetData` describes.
        length: T, in frames; the rest of a shorter clip repeats its last frame, as silence.
        seed: what decides, together with a clip's index, on its segment.
    """

    def __init__(self, clips: Sequence[ClipArrays], length: int, seed: tuple[int, ...]) -> None:
        self._clips, self._length, self._seed = clips, length, seed

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> MouthBatch:
        """The segment of one clip, without the batch dimension."""
        clip, rng = self._clips[index], np.random.default_rng((*self._seed, index))
        frames = clip.frames()
        start = int(rng.integers(max(0, frames - self._length) + 1))
        mouth, speech, weight = _rows(clip, start, min(start + self._length, frames))
        at = torch.arange(self._length).clamp(max=len(weight) - 1)
        silence = weight.new_zeros(self._length - len(weight))
        return MouthBatch(mouth[at], speech[at], torch.cat([weight, silence]))


def _rows(clip: ClipArrays, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
    mouth, speech, weight = (torch.from_numpy(clip.read(name, start, stop)) for name in ("lips", "speech", "weight"))
    return mouth, speech.float(), weight
