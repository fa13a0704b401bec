"""Clips in the form that the default model trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from avsync.align.segments import ClipArrays, SegmentData, spread
from avsync.align.temporal.config import AugmentConfig
from avsync.align.temporal.geometry import lip_geometry, lip_points, mean_face, mirrored, principal_components
from avsync.config import SegmentsConfig
from avsync.speech.filterbank import BANDS, STEPS_PER_FRAME

# `Geometry` is estimated on at most so many clips of a speaker, and so many in all, evenly spaced.
_MAX_OF_SPEAKER, _MAX_FITTED = 20, 2000
_FACES_EVERY = 25  # frames between the faces that the mean face is computed from


class Batch(NamedTuple):
    """Segments of B clips.

    Attributes:
        geometry: float32 [B, T, K] of `lip_geometry`.
        mouth: uint8 [B, T, 96, 96].
        mel: float32 [B, 4T, 40] of `avsync.speech.log_mel`.
        speech_share: float32 [B, T].
    """

    geometry: Tensor
    mouth: Tensor
    mel: Tensor
    speech_share: Tensor


class WholeClip(NamedTuple):
    """The arguments of `TemporalAligner.encode`, and who speaks."""

    landmarks: NDArray[np.float32]
    mouth: NDArray[np.uint8]
    mel: NDArray[np.float32]
    speech_share: NDArray[np.float32]
    speaker: str


@dataclass(frozen=True)
class Geometry:
    """Turns landmarks into the network's input.

    Attributes:
        mean_face: float32 [68, 2].
        components: float32 [54, K].
    """

    mean_face: NDArray[np.float32]
    components: NDArray[np.float32]

    @classmethod
    def fit(cls, clips: Sequence[ClipArrays], count: int) -> "Geometry":
        """Compute the mean face and the first `count` principal components of the lips of `clips`."""
        of_speaker: dict[str, list[ClipArrays]] = {}
        for clip in clips:
            of_speaker.setdefault(clip.record.speaker, []).append(clip)
        some = spread([clip for own in of_speaker.values() for clip in spread(own, _MAX_OF_SPEAKER)], _MAX_FITTED)
        landmarks, shares = ([clip.read(name) for clip in some] for name in ("landmarks", "speech_share"))
        face = mean_face(np.concatenate([of_clip[::_FACES_EVERY] for of_clip in landmarks]))
        points = [lip_points(of_clip, face) for of_clip in landmarks]
        return cls(face, principal_components(points, shares, count))


class TemporalData(SegmentData):
    """Segments and whole clips for a `TemporalModule`.

    The clips have `landmarks` float32 [T, 68, 2] in pixels, `lips` uint8 [T, 96, 96] (mouth crops), `speech` float32
    [T, 160] (four steps of log mel) and `speech_share` float32 [T].
    """

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
        """All arrays of a clip."""
        mel = clip.read("speech").reshape(-1, BANDS)
        return WholeClip(clip.read("landmarks"), clip.read("lips"), mel, clip.read("speech_share"), clip.record.speaker)


class Segments(Dataset[Batch]):
    """One random segment of each clip, lips and speech played at the same random speed, half of the faces mirrored.

    Args:
        clips: with the arrays that `TemporalData` describes.
        geometry: turns landmarks into the network's input.
        length: T in frames; a shorter clip is filled up with its last frame, as silence.
        speed: a segment is played up to exp(speed) times faster or slower.
        seed: chooses the segment, together with the clip's index.
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
        share = clip.read("speech_share")
        last = len(share) - 1
        rate = float(np.exp(rng.uniform(-self._speed, self._speed)))
        start = rng.uniform(0, max(0.0, last - self._length * rate))
        wanted = start + np.arange(self._length) * rate
        at = np.minimum(wanted, last)
        nearest = np.rint(at).astype(int)
        first, stop = int(nearest[0]), int(nearest[-1]) + 1
        mouth, landmarks = clip.read("lips", first, stop)[nearest - first], clip.read("landmarks")
        if rng.random() < 0.5:
            mouth, landmarks = np.ascontiguousarray(mouth[:, :, ::-1]), mirrored(landmarks)
        shape = lip_geometry(landmarks, share, self._geometry.mean_face, self._geometry.components)
        steps = STEPS_PER_FRAME * start + np.arange(STEPS_PER_FRAME * self._length) * rate
        steps = np.minimum(steps, STEPS_PER_FRAME * len(share) - 1)
        share = np.where(wanted < last, share[nearest], 0).astype(np.float32)
        return Batch(*map(torch.from_numpy, (_interpolated(shape, at), mouth, _mel(clip, steps), share)))


def _mel(clip: ClipArrays, steps: NDArray[Any]) -> NDArray[np.float32]:
    """Log mel at fractional steps of 10 ms; only the frames around them are read."""
    first, stop = int(steps[0]) // STEPS_PER_FRAME, ceil((steps[-1] + 1) / STEPS_PER_FRAME)
    mel = clip.read("speech", first, stop).reshape(-1, BANDS)
    return _interpolated(mel, steps - STEPS_PER_FRAME * first)


def _interpolated(rows: NDArray[np.float32], position: NDArray[Any]) -> NDArray[np.float32]:
    """Linear interpolation of rows [n, K] at positions [m] in [0, n - 1]: float32 [m, K]."""
    below = position.astype(int)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (position - below)[:, None].astype(np.float32)
    return np.asarray(rows[below] * (1 - share) + rows[above] * share, np.float32)
