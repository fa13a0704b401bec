"""Cut a clip into the windows that are judged."""

from collections.abc import Iterator
from math import ceil

from avsync.clip import TalkingClip
from avsync.media import FPS

# The longest window that real clips of enough people were measured at, and the shortest worth judging.
LONGEST, SHORTEST = 3 * FPS, 3 * FPS // 2
# A window with less speech than this says nothing (half a second is two syllables).
MIN_SPEECH = FPS // 2


def windows(clip: TalkingClip) -> Iterator[TalkingClip]:
    """Windows of equal length, at most 3 s, that cover the clip; those with too little speech are left out."""
    count = ceil(len(clip) / LONGEST)
    for index in range(count):
        window = clip[len(clip) * index // count : len(clip) * (index + 1) // count]
        if len(window) >= SHORTEST and window.speech.sum() >= MIN_SPEECH:
            yield window
