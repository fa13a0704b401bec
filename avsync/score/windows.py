"""Cut a clip, or its lattice, into windows; what a check measures in one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS
from avsync.score.verdict import Peak

# The longest window that real clips of enough people were measured at, and the shortest worth scoring.
LONGEST, SHORTEST = 3 * FPS, 3 * FPS // 2
# A window with less speech than this says nothing (half a second is two syllables).
MIN_SPEECH = FPS // 2


class Sliceable(Protocol):
    """Consecutive frames of one face or voice: `speech_share` float32 [T], the share of speech in each."""

    @property
    def speech_share(self) -> NDArray[np.float32]: ...  # noqa: D102

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> Self: ...


S = TypeVar("S", bound=Sliceable)


def windows(clip: S) -> Iterator[S]:
    """Windows of equal length, at most 3 s, that cover the clip."""
    count = ceil(len(clip) / LONGEST)
    for index in range(count):
        yield clip[len(clip) * index // count : len(clip) * (index + 1) // count]


def sliding_windows(clip: S, frames: int) -> Iterator[S]:
    """Windows of so many frames, half overlapping."""
    for start in range(0, len(clip) - frames + 1, frames // 2):
        yield clip[start : start + frames]


def can_score(window: Sliceable) -> bool:
    """Whether a window is long enough and has enough speech."""
    return len(window) >= SHORTEST and bool(window.speech_share.sum() >= MIN_SPEECH)


@dataclass(frozen=True, slots=True)
class WindowScore:
    """What a check measures in one window.

    Attributes:
        track: number of the face; None: the recording as a whole.
        start, seconds, speech_seconds: where it is, how long it is, and how much of it is speech (s).
        box: median box of the face, float [4], in upright pixels; None without a face.
        readings: value by name.
        artefacts: arrays by name, such as "lattice" [T, 31]; "times" are those of the T frames (s).
        peak: where it is most anomalous; None where the check does not look for it.
        moments: how anomalous the 0.6 s around each frame are, high is anomalous, in the unit of the reading that the
            check ranks by, float32 [T], NaN where nobody speaks; None: the check sees nothing finer than the window.
    """

    track: int | None
    start: float
    seconds: float
    speech_seconds: float
    box: NDArray[np.float64] | None
    readings: dict[str, float]
    artefacts: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    peak: Peak | None = None
    moments: NDArray[np.float32] | None = None

    @property
    def end(self) -> float:
        """Where the window ends (s)."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Combined:
    """The windows of one face, read together.

    Attributes:
        windows: those that have a score.
        units: what the score of the face is the mean of: the windows, or the whole track as one.
        lag: in frames, by how much the sound comes after the lips; None where the check measures none.
    """

    windows: Sequence[WindowScore]
    units: Sequence[WindowScore]
    lag: int | None = None


def frame_times(start: float, count: int) -> NDArray[np.float64]:
    """The times (s) of frames at 25 per second."""
    return start + np.arange(count) / FPS
