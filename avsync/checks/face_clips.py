"""The clips and windows that the checks of a face share."""

from collections.abc import Iterator

from avsync.clip import FaceClip
from avsync.recording import Recording
from avsync.score.windows import can_score, windows


def face_clips(recording: Recording) -> Iterator[FaceClip]:
    """The face clips of a recording. Checks that use this function share one pass over the file."""
    return recording.face_clips()


def scored_windows(clip: FaceClip) -> Iterator[FaceClip]:
    """The windows of a clip that have enough speech."""
    return filter(can_score, windows(clip))
