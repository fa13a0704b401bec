"""The clips and windows that the checks of a face share."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.clip import FaceClip
from avsync.media import FPS
from avsync.recording import Recording
from avsync.score.windows import WindowScore, can_score, windows


class FaceFrames(Protocol):
    """Consecutive frames of one face; the attributes are those of `FaceClip`."""

    @property
    def track(self) -> int: ...  # noqa: D102

    @property
    def start(self) -> float: ...  # noqa: D102

    @property
    def box(self) -> NDArray[np.float64]: ...  # noqa: D102

    @property
    def speech_share(self) -> NDArray[np.float32]: ...  # noqa: D102

    def __len__(self) -> int: ...


def face_clips(recording: Recording) -> Iterator[FaceClip]:
    """The face clips of a recording. Checks that use this function share one pass over the file."""
    return recording.face_clips()


def scored_windows(clip: FaceClip) -> Iterator[FaceClip]:
    """The windows of a clip that have enough speech."""
    return filter(can_score, windows(clip))


def window_score(
    window: FaceFrames, readings: Mapping[str, float], artefacts: Mapping[str, NDArray[np.generic]] | None = None
) -> WindowScore:
    """What a check measured in a window of a face."""
    return WindowScore(
        track=window.track,
        start=window.start,
        seconds=len(window) / FPS,
        speech_seconds=float(window.speech_share.sum()) / FPS,
        box=window.box,
        readings=dict(readings),
        artefacts=dict(artefacts or {}),
    )
