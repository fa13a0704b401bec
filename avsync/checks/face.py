"""The face check: does this face look and move as cameras record faces?"""

from collections.abc import Sequence

import torch

from avsync.checkpoint import Checkpoint
from avsync.checks.face_clips import face_clips, scored_windows, window_score
from avsync.checks.interface import LENGTHS, Counterexample
from avsync.clip import FaceClip
from avsync.recording import Need
from avsync.score.readings import Reading, readings_of
from avsync.score.readings.face import FaceWindow, face_frames
from avsync.score.reference import Reference
from avsync.score.windows import Combined, WindowScore


def load(_checkpoint: Checkpoint, _device: torch.device) -> "FaceCheck":
    """The face check; it has no weights."""
    return FaceCheck()


class FaceCheck:
    """Hand-made readings of the lips' motion and of the face's pixels (`avsync.score.readings.face`)."""

    name = "face"
    needs: tuple[Need, ...] = ("face", "speech")
    readings: tuple[Reading, ...]
    ranked_by = "mouth_detail"
    lengths: tuple[float, ...] = LENGTHS
    reference: Reference | None = None
    counterexample: Counterexample | None = None
    clips = staticmethod(face_clips)
    windows = staticmethod(scored_windows)

    def __init__(self) -> None:
        self.readings = readings_of("face")

    def measure(self, window: FaceClip) -> WindowScore:
        """Take the readings of a window."""
        frames = face_frames(window.patches, window.alignment)
        face = FaceWindow(frames, window.landmarks, window.speech_share)
        return window_score(window, {reading.name: reading.read(face) for reading in self.readings})

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """The windows as they are."""
        return Combined(windows, windows) if windows else None
