"""Which pictures are new, and which repeat the one before: what a file shows, whatever its frame rate claims."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from avsync.media.video import Frame

# How much a picture changes is measured twice, in grey levels: the mean absolute difference of the 16×16 block that
# changes most, and that of the whole picture. A picture repeats the one before if both are small: less than this share
# of what pictures change here (the third largest of the last 4 s, which two cuts do not move), but at least and at most
# so much. Of the pictures of 22 real clips, 0.1 % change less than 1.5 in their block. Repeated pictures change too, as
# they are encoded again: the five encoders tried make 0.6 to 1.2 of it in the block (median), 0.01 to 0.3 in the whole.
_BLOCK = 16
_OF_BLOCK = (0.1, 0.3, 1.5)
_OF_PICTURE = (0.15, 0.02, 0.7)
_REMEMBERED, _RANK = 100, 3
# A picture that is shown for longer than this (s) stands still: real clips hold one for up to 0.48 s. With a picture
# that stood still for 1 s and was judged as if it moved, 3 of 20 real clips were called suspicious.
MAX_STILL = 0.5
# A picture moves if its block changes by at least this. The new pictures of a photograph, which its encoder made,
# change less; so do 0.1 % of those of real clips.
_MOVE = 1.5
# Pictures of more than this many rows are compared in every second, third, … row and column.
_ROWS = 360
# Intervals longer than this many times the median are moments in which nothing moves, not the frame rate.
_LONG = 3.0
_FEW = 3  # intervals; fewer tell no rate


class ShownPictures:
    """Takes the frames of a stretch in order; tells new pictures from repeated ones, and whether they move.

    Attributes:
        count, repeats: frames so far, and how many of them repeat the picture of the frame before.
        held: frames in a row, up to the last one, that repeat the same picture.
        held_seconds: since when that picture is shown (s).
    """

    def __init__(self) -> None:
        self.count, self.repeats, self.held, self.held_seconds = 0, 0, 0, 0.0
        self._last: _Blocks | None = None
        self._since = self._moved = 0.0  # when the last new picture came, and the last that moves
        self._of_block, self._of_picture = _Changes(*_OF_BLOCK), _Changes(*_OF_PICTURE)
        self._intervals: list[float] = []

    def add(self, frame: Frame) -> None:
        """Count the next frame."""
        last = self._last
        self.count += 1
        if last is None:
            self._last = _Blocks(frame.image)
            self._since = self._moved = frame.source_time
            return
        block, picture = 0.0, 0.0
        if frame.image is not last.image:
            self._last = _Blocks(frame.image)
            block, picture = self._last.change(last)
        if self._of_block.is_small(block) & self._of_picture.is_small(picture):
            self.repeats += 1
            self.held += 1
            self.held_seconds = frame.time - self._since
            return
        self._since, self.held, self.held_seconds = frame.source_time, 0, 0.0
        if block >= _MOVE:
            self._intervals.append(frame.source_time - self._moved)
            self._moved = frame.source_time

    @property
    def stands_still(self) -> bool:
        """Whether the last picture is shown for longer than `MAX_STILL`."""
        return self.held_seconds > MAX_STILL

    @property
    def moving_share(self) -> float | None:
        """Share of new pictures that move, 0 to 1; None if there are fewer than 3 new pictures.

        The new pictures of a photograph are what its encoder changed: they do not move.
        """
        new = self.count - 1 - self.repeats
        return len(self._intervals) / new if new >= _FEW else None

    @property
    def rate(self) -> float | None:
        """Pictures that move per second while the picture moves, at most those of the frames; None if it hardly does.

        One over the mean interval between pictures that move. Intervals longer than three times the median are left
        out: nothing moves then. So a photograph has no rate, and five repeats of every picture make a fifth of the
        rate, also if their encoder changes them a little.
        """
        if len(self._intervals) < _FEW:
            return None
        intervals = np.array(self._intervals)
        return float(1 / intervals[intervals <= _LONG * np.median(intervals)].mean())

    @property
    def repeated_share(self) -> float:
        """Share of frames that repeat the picture of the frame before, 0 to 1."""
        return self.repeats / max(1, self.count - 1)


class _Changes:
    """The latest changes by one measure; `share`, `least` and `most` say which are small."""

    def __init__(self, share: float, least: float, most: float) -> None:
        self._share, self._least, self._most = share, least, most
        self._latest = deque[float](maxlen=_REMEMBERED)

    def is_small(self, change: float) -> bool:
        """Whether a change is small beside those before; it is remembered."""
        largest = sorted(self._latest)[-_RANK:]
        self._latest.append(change)
        usual = largest[0] if len(largest) == _RANK else 0.0
        return change < max(self._least, min(self._most, self._share * usual))


class _Blocks:
    """A picture, uint8 [H, W], in blocks of 16×16 of the pixels that are compared."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image
        step = max(1, min(image.shape) // _ROWS)
        some = image[::step, ::step]
        self._padded = np.zeros([-(-side // _BLOCK) * _BLOCK for side in some.shape], np.uint8)
        self._padded[: some.shape[0], : some.shape[1]] = some
        heights, widths = (np.diff([*range(0, side, _BLOCK), side]) for side in some.shape)
        self._pixels = np.outer(heights, widths)

    def change(self, last: "_Blocks") -> tuple[float, float]:
        """Mean absolute difference (grey levels) of the block that changes most, and of the whole picture."""
        difference = np.maximum(self._padded, last._padded) - np.minimum(self._padded, last._padded)
        rows, columns = self._pixels.shape
        # The sum of 16 bytes fits in 16 bits, and rows are added much faster than columns.
        strips = difference.reshape(rows, _BLOCK, -1).sum(axis=1, dtype=np.uint16)
        sums = strips.reshape(rows, columns, _BLOCK).sum(axis=2, dtype=np.int64)
        return float((sums / self._pixels).max()), float(sums.sum() / self._pixels.sum())
