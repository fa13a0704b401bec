"""Clips on one clock of 25 frames per second: a face with the sound heard, and the sound alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avsync.face import Alignment, align_faces, face_boxes, mouth_crops, to_picture
from avsync.media import FPS, RATE

SAMPLES = RATE // FPS  # samples of sound per frame


@dataclass(frozen=True)
class FaceClip:
    """T consecutive frames of one face, at most 30 s.

    Attributes:
        track: number of the face track; a track longer than a clip has several clips of this number.
        start: presentation time of the first frame (s).
        patches: uint8 [T, 192, 192], the grey square around the face.
        points: float32 [T, 68, 2], landmarks in pixels of the patches.
        squares: int [T, 3], left, top and side of each patch in pixels of the upright picture.
        alignment: turns, shifts and mouth centres of the T frames. It is smoothed over the clip, not over a slice of
            it, so that training and scoring crop the same mouths.
        waveform: float32 [640 T], mono 16 kHz; frame t is heard with samples 640 t to 640 (t + 1).
        speech_share: float32 [T], the share of speech in each frame.
    """

    track: int
    start: float
    patches: NDArray[np.uint8]
    points: NDArray[np.float32]
    squares: NDArray[np.int64]
    alignment: Alignment
    waveform: NDArray[np.float32]
    speech_share: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.patches)

    @cached_property
    def landmarks(self) -> NDArray[np.float32]:
        """The 68 points in pixels of the upright picture, float32 [T, 68, 2]."""
        return to_picture(self.points, self.squares)

    @cached_property
    def mouths(self) -> NDArray[np.uint8]:
        """Aligned mouth ROIs, uint8 [T, 96, 96], cropped on first use."""
        return mouth_crops(self.patches, self.alignment)

    @property
    def box(self) -> NDArray[np.float64]:
        """The median box of the face, float [4], in pixels of the upright picture."""
        return np.asarray(np.median(face_boxes(self.squares), axis=0))

    @property
    def end(self) -> float:
        """Where the last frame ends (s)."""
        return self.start + len(self) / FPS

    def __getitem__(self, span: slice) -> "FaceClip":
        """The frames of `span` (step 1) with their sound."""
        begin, end, _ = span.indices(len(self))
        return FaceClip(
            self.track,
            self.start + begin / FPS,
            self.patches[begin:end],
            self.points[begin:end],
            self.squares[begin:end],
            self.alignment[begin:end],
            self.waveform[begin * SAMPLES : end * SAMPLES],
            self.speech_share[begin:end],
        )

    def __add__(self, after: "FaceClip") -> "FaceClip":
        """This clip and the one that follows it on the same track, aligned as one."""
        patches, points, squares, waveform, share = (
            np.concatenate([getattr(self, name), getattr(after, name)])
            for name in ("patches", "points", "squares", "waveform", "speech_share")
        )
        return FaceClip(self.track, self.start, patches, points, squares, align_faces(points), waveform, share)


@dataclass(frozen=True)
class SoundClip:
    """T consecutive frames of the sound, at most 30 s. A `FaceClip` has the same attributes.

    Attributes:
        start: time of the first sample (s).
        waveform: float32 [640 T], mono 16 kHz.
        speech_share: float32 [T], the share of speech in each frame.
    """

    start: float
    waveform: NDArray[np.float32]
    speech_share: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.speech_share)

    def __getitem__(self, span: slice) -> "SoundClip":
        """The frames of `span` (step 1)."""
        begin, end, _ = span.indices(len(self))
        waveform = self.waveform[begin * SAMPLES : end * SAMPLES]
        return SoundClip(self.start + begin / FPS, waveform, self.speech_share[begin:end])
