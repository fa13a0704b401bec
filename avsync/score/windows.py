"""Cut a clip, or its lattice, into the windows that are judged."""

from collections.abc import Iterator
from math import ceil
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS

# The longest window that real clips of enough people were measured at, and the shortest worth judging.
LONGEST, SHORTEST = 3 * FPS, 3 * FPS // 2
# A window with less speech than this says nothing (half a second is two syllables).
MIN_SPEECH = FPS // 2


class Stretch(Protocol):
    """Consecutive frames of one face: `speech` float32 [T], the share of speech in each."""

    @property
    def speech(self) -> NDArray[np.float32]: ...  # noqa: D102

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> Self: ...


S = TypeVar("S", bound=Stretch)


def windows(stretch: S) -> Iterator[S]:
    """Windows of equal length, at most 3 s, that cover the stretch; those with too little speech are left out."""
    count = ceil(len(stretch) / LONGEST)
    for index in range(count):
        window = stretch[len(stretch) * index // count : len(stretch) * (index + 1) // count]
        if len(window) >= SHORTEST and window.speech.sum() >= MIN_SPEECH:
            yield window
