"""Prepared clips as the default model is trained on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from avsync.align.temporal.augment import AugmentConfig
from avsync.align.segments import SegmentData, spread
from avsync.config import SegmentsConfig
from avsync.datasets.arrays import ClipArrays
from avsync.align.temporal.geometry import lip_geometry, lip_points, mean_face, principal_components
from avsync.align.temporal.inputs import MEL_PER_FRAME

# What follows is estimated on at most this many clips, spread evenly over the list.
_FITTED = 2000
_FACES_EVERY = 25  # frames between the faces that the mean face is made of


class Batch(NamedTuple):
    """Segments: `geometry` float32 [B, T, K], `mouth` uint8 [B, T, 96, 96], `mel` [B, 4T, 40], `speech` [B, T]."""

    geometry: Tensor
    mouth: Tensor
    mel: Tensor
    speech: Tensor


class WholeClip(NamedTuple):
    """The arrays that `TemporalAligner.embed` takes, and whose they are."""

    landmarks: NDArray[np.float32]
    mouth: NDArray[np.uint8]
    mel: NDArray[np.float32]
    speech: NDArray[np.float32]
    speaker: str


@dataclass(frozen=True)
class Geometry:
    """What turns landmarks into the network's input: `mean_face` float32 [68, 2], `components` float32 [54, K]."""

    mean_face: NDArray[np.float32]
    components: NDArray[np.float32]

    @classmethod
    def fit(cls, clips: Sequence[ClipArrays], count: int) -> "Geometry":
        """The mean face and the first `count` principal components of lips of `clips`."""
        some = spread(clips, _FITTED)
        landmarks, speech = ([clip.read(name) for clip in some] for name in ("landmarks", "speech"))
        face = mean_face(np.concatenate([points[::_FACES_EVERY] for points in landmarks]))
        points = [lip_points(of_clip, face) for of_clip in landmarks]
        return cls(face, principal_components(points, speech, count))


class TemporalData(SegmentData):
    """Segments and whole clips for an `TemporalModule`."""

    def __init__(
        self,
        train: Sequence[ClipArrays],
        validation: Sequence[ClipArrays],
        geometry: Geometry,
        augment: AugmentConfig,
        trainer: SegmentsConfig,
    ) -> None:
        super().__init__(train, validation, trainer)
        self._geometry, self._augment = geometry, augment

    def segments(self, clips: Sequence[ClipArrays], seed: tuple[int, int]) -> "Segments":
        """One segment of each clip."""
        return Segments(clips, self._geometry, self._config.segment, self._augment.speed, seed)

    @staticmethod
    def whole(clip: ClipArrays) -> WholeClip:
        """All of a clip's arrays."""
        landmarks, mouth, mel, speech = (clip.read(name) for name in ("landmarks", "mouth", "mel", "speech"))
        return WholeClip(landmarks, mouth, mel, speech, clip.record.speaker)


class Segments(Dataset[Batch]):
    """One random segment of each clip, lips and speech played at the same random speed.

    Args:
        clips: the prepared clips.
        geometry: for the landmarks.
        length: T, in frames; the rest of a shorter clip repeats its last frame, as silence.
        speed: the segment is played up to exp(±speed) times faster.
        seed: what decides, together with a clip's index, on its segment.
    """

    def __init__(
        self, clips: Sequence[ClipArrays], geometry: Geometry, length: int, speed: float, seed: tuple[int, ...]
    ) -> None:
        self._clips, self._geometry, self._length, self._speed, self._seed = clips, geometry, length, speed, seed

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Batch:
        """The segment of one clip, without the batch dimension."""
        clip, rng = self._clips[index], np.random.default_rng((*self._seed, index))
        speech = clip.read("speech")
        last = len(speech) - 1
        rate = float(np.exp(rng.uniform(-self._speed, self._speed)))
        start = rng.uniform(0, max(0.0, last - self._length * rate))
        wanted = start + np.arange(self._length) * rate
        at = np.minimum(wanted, last)
        nearest = np.rint(at).astype(int)
        first, stop = int(nearest[0]), int(nearest[-1]) + 1
        mouth = clip.read("mouth", first, stop)[nearest - first]
        shape = lip_geometry(clip.read("landmarks"), speech, self._geometry.mean_face, self._geometry.components)
        heard = MEL_PER_FRAME * start + np.arange(MEL_PER_FRAME * self._length) * rate
        heard = np.minimum(heard, MEL_PER_FRAME * len(speech) - 1)
        weight = np.where(wanted < last, speech[nearest], 0).astype(np.float32)
        return Batch(*map(torch.from_numpy, (_at(shape, at), mouth, self._sound(clip, heard), weight)))

    @staticmethod
    def _sound(clip: ClipArrays, at: NDArray[Any]) -> NDArray[np.float32]:
        first = int(at[0])
        mel = clip.read("mel", first, ceil(at[-1]) + 1)
        return _at(mel, at - first)


def _at(rows: NDArray[np.float32], position: NDArray[Any]) -> NDArray[np.float32]:
    """Rows between the rows, linearly: [n, K] at positions [m] in [0, n - 1]."""
    below = position.astype(int)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (position - below)[:, None].astype(np.float32)
    return np.asarray(rows[below] * (1 - share) + rows[above] * share, np.float32)
