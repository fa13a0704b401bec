"""Fake stretches as published metadata state them: lists of [start, end] in seconds."""

from math import isfinite
from typing import Any

from avsync.datasets.record import Spans
from avsync.errors import UsageError


def read_spans(where: str, value: Any, seconds: float | None = None) -> Spans:
    """Return stretches sorted, cut to the length of the clip, those that overlap or touch as one.

    Args:
        where: the place, for messages.
        value: a list of [start, end] in seconds, as JSON holds it.
        seconds: the length of the clip, if it is known. An end may lie behind it, as in published metadata, whose
            loaders cut it off as well; a start may not.

    Raises:
        UsageError: it is no such list, a stretch does not end after it starts, or starts behind the end of the clip.
    """
    merged: list[tuple[float, float]] = []
    for start, end in sorted(_span(where, pair, seconds) for pair in _pairs(where, value)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def join(*sides: Spans) -> Spans:
    """Return what any of the sides covers."""
    return read_spans("", [span for side in sides for span in side])


def _pairs(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{where}: fake segments are a list of [start, end] in seconds, not {value!r}")
    return list(value)


def _span(where: str, pair: Any, seconds: float | None) -> tuple[float, float]:
    number = (int, float)
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(one, number) for one in pair):
        raise UsageError(f"{where}: a fake segment is [start, end] in seconds, not {pair!r}")
    start, end = float(pair[0]), float(pair[1])
    if not (isfinite(start) and isfinite(end) and 0 <= start < end):
        raise UsageError(f"{where}: the fake segment [{start:g}, {end:g}] does not run forwards from 0 s or later")
    if seconds is None:
        return start, end
    if start >= seconds:
        raise UsageError(f"{where}: the fake segment [{start:g}, {end:g}] starts behind the clip's end, {seconds:g} s")
    return start, min(end, seconds)
