"""Clips in the form that the ResNet aligner trains on: mouth crops and frozen speech features."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from avsync.align.segments import ClipArrays, SegmentData


class Batch(NamedTuple):
    """Segments of B clips.

    Attributes:
        mouth: uint8 [B, T, 96, 96].
        speech: float32 [B, T, Da].
        speech_share: float32 [B, T].
    """

    mouth: Tensor
    speech: Tensor
    speech_share: Tensor


class WholeClip(NamedTuple):
    """The fields of `Batch` without B, and who speaks."""

    mouth: Tensor
    speech: Tensor
    speech_share: Tensor
    speaker: str


class ResNetData(SegmentData):
    """Segments and whole clips for a `ResNetModule`.

    The clips have `lips` uint8 [T, 96, 96] (mouth crops), `speech` float [T, Da] and `speech_share` float32 [T].
    """

    def segments(self, clips: Sequence[ClipArrays], seed: tuple[int, int]) -> "Segments":
        """One segment of each clip."""
        return Segments(clips, self._config.segment, seed)

    @staticmethod
    def whole(clip: ClipArrays) -> WholeClip:
        """All arrays of a clip."""
        return WholeClip(*_rows(clip, 0, clip.frames()), clip.record.speaker)


class Segments(Dataset[Batch]):
    """One random segment of each clip, at its own speed: frozen speech features cannot be played faster.

    Args:
        clips: with the arrays that `ResNetData` describes.
        length: T in frames; a shorter clip is filled up with its last frame, as silence.
        seed: chooses the segment, together with the clip's index.
    """

    def __init__(self, clips: Sequence[ClipArrays], length: int, seed: tuple[int, ...]) -> None:
        self._clips, self._length, self._seed = clips, length, seed

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Batch:
        """The segment of one clip, without the batch dimension."""
        clip, rng = self._clips[index], np.random.default_rng((*self._seed, index))
        frames = clip.frames()
        start = int(rng.integers(max(0, frames - self._length) + 1))
        mouth, speech, share = _rows(clip, start, min(start + self._length, frames))
        at = torch.arange(self._length).clamp(max=len(share) - 1)
        silence = share.new_zeros(self._length - len(share))
        return Batch(mouth[at], speech[at], torch.cat([share, silence]))


def _rows(clip: ClipArrays, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
    names = ("lips", "speech", "speech_share")
    mouth, speech, share = (torch.from_numpy(clip.read(name, start, stop)) for name in names)
    return mouth, speech.float(), share
