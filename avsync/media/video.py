"""Pictures on the clip's clock: constant 25 frames per second, placed by presentation time."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from avsync.errors import CannotJudge, Reason
from avsync.media.facts import StreamFacts
from avsync.media.packets import decoded
from avsync.media.probe import open_media, video_stream

FPS = 25  # the frame rate of LRS3, VoxCeleb and every lip model of the field
# Pictures are scaled down to this many pixels on the longer side: more takes time and finds no more faces.
MAX_SIDE = 1280
# A picture stands for the time up to the next one, but no longer than this (s): after that, nobody saw what happened.
MAX_HELD = 1.0
_STEP = 1.0 / FPS
_PREFETCHED = 32  # frames, 30 MB at 720 lines: more than wait for their faces at a time (avsync/watch.py)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    Attributes:
        time: presentation time (s).
        image: luma, uint8 [H, W], or sRGB, uint8 [H, W, 3]; upright (rotation applied).
        source_time: presentation time of the picture in the file (s).
    """

    time: float
    image: NDArray[np.uint8]
    source_time: float


def frames(
    path: Path,
    start: float = 0.0,
    stop: float = float("inf"),
    warnings: list[str] | None = None,
    facts: StreamFacts | None = None,
    *,
    colour: bool = False,
) -> Iterator[Frame]:
    """Yield the frames of [start, stop) at 25 per second, each the source picture nearest in time, all of one size.

    The grid starts at the file's first picture, so that the same pictures at another frame rate give frames at the same
    times. In a pause longer than two grid steps (variable frame rate) the last picture is repeated, as on a screen. In
    a gap longer than `MAX_HELD` there are no frames; the times of those after it are true. If the stream is damaged or
    truncated, one line is added to `warnings` when the end of the file is reached. `facts` counts along. With
    `colour` the pictures have three colours.

    Raises:
        CannotJudge: `unreadable`.
    """
    held: _Picture | None = None
    origin, index, lasting = 0.0, 0, _STEP
    for current in _pictures(path, stop, warnings, facts, colour):
        if held is None:
            held, origin = current, current.time
            index = max(0, ceil((start - origin) / _STEP - 1e-6))
            continue
        switch = current.time - min((current.time - held.time) / 2, _STEP / 2)
        gap = current.time - held.time > MAX_HELD + 1e-3
        until = held.time + _STEP if gap else switch
        while (at := origin + index * _STEP) < min(until - 1e-6, stop):
            yield Frame(at, held.image, held.time)
            index += 1
        if gap:
            index = max(index, ceil((switch - origin - 1e-6) / _STEP))
        held, lasting = current, min(current.time - held.time, _STEP)
    while held is not None and (at := origin + index * _STEP) < min(held.time + lasting - 1e-6, stop):
        yield Frame(at, held.image, held.time)
        index += 1


def prefetch(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the same frames, decoding some of them ahead in a thread while the caller looks for faces."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, frames, None) for _ in range(_PREFETCHED))
        while (frame := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, frames, None))
            yield frame


class _Upright:
    """Converts decoded pictures to upright luma, or colours, in the size of the first one."""

    def __init__(self, first: av.VideoFrame, colour: bool) -> None:
        self._format = "rgb24" if colour else "gray"
        scale = min(Fraction(1), Fraction(MAX_SIDE, max(first.width, first.height)))
        self._width, self._height = max(2, int(first.width * scale)), max(2, int(first.height * scale))
        self._quarter_turns = round(first.rotation / 90) % 4  # FFmpeg counts counter-clockwise, as numpy does
        self._reformatter = VideoReformatter()  # one for all pictures: creating it takes longer than using it

    def __call__(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        try:
            pixels = self._reformatter.reformat(picture, self._width, self._height, self._format).to_ndarray()
        except (av.FFmpegError, ValueError) as error:
            detail = f"pictures in the format {picture.format.name} cannot be converted"
            raise CannotJudge(Reason.UNREADABLE, detail) from error
        return np.ascontiguousarray(np.rot90(pixels, self._quarter_turns))


class _Picture:
    """A decoded picture, converted only if it is put on the grid."""

    def __init__(self, time: float, source: av.VideoFrame, upright: _Upright) -> None:
        self.time = time
        self._source, self._upright = source, upright

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        return self._upright(self._source)


def _pictures(
    path: Path, stop: float, warnings: list[str] | None, facts: StreamFacts | None, colour: bool
) -> Iterator[_Picture]:
    """Yield decoded pictures before `stop`, in strictly rising time."""
    last, upright = float("-inf"), None
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            return
        for time, picture in decoded(container, stream, warnings, facts):
            if time is None or time <= last:
                continue
            last = time
            if time >= stop:
                return
            upright = upright or _Upright(picture, colour)
            yield _Picture(time, picture, upright)
