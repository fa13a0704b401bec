"""Tables of quantiles by length of window, every person weighing the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import CannotJudge, Reason

Floats = NDArray[np.float64]

# Enough for a 1 % p-value, and no clip can be told from it.
SHARES = np.linspace(0, 1, 101)
# Readings and scores of any model stay far below this; a larger one, like NaN, comes from damage.
LARGEST = 1e9


def weighted_quantiles(values: Floats, people: NDArray[np.str_]) -> Floats:
    """Quantiles of values [n] at `SHARES`, every person of the same weight: [101]."""
    order = np.argsort(values)
    weight = person_weights(people)[order]
    share = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.interp(SHARES, share, values[order])


def person_weights(people: NDArray[np.str_]) -> Floats:
    """The weight of each window [n]: that of a person is 1 in all."""
    _, person, count = np.unique(people, return_inverse=True, return_counts=True)
    return np.asarray(1 / count[person], np.float64)


def at_length(table: Floats, lengths: Floats, seconds: float) -> Floats:
    """The row of windows of `seconds`, interpolated between the lengths measured: [L, n] to [n]."""
    place = float(np.interp(seconds, lengths, np.arange(len(lengths))))
    below = int(place)
    above = min(below + 1, len(lengths) - 1)
    return np.asarray(table[below] + (place - below) * (table[above] - table[below]))


def checked(name: str, value: float) -> float:
    """Return a reading or score as it is: what is no number is never compared with real recordings.

    Raises:
        CannotJudge: `crashed`; it is NaN, infinite or absurdly large.
    """
    if not abs(value) <= LARGEST:
        said = f"{name} is {value:g}, which no undamaged model gives; check the weights, or train the model again"
        raise CannotJudge(Reason.CRASHED, said)
    return value


def conformal(value: float, table: Floats, lengths: Floats, people: Floats, seconds: float) -> float:
    """The share of real windows of that length with at least this value, this one counted in.

    People, not windows, are drawn independently: no p-value is below one in as many people and one more.

    Raises:
        CannotJudge: as `checked`.
    """
    share = 1 - float(np.interp(checked("a score", value), at_length(table, lengths, seconds), SHARES))
    return counted(share, people, lengths, seconds)


def counted(share: float, people: Floats, lengths: Floats, seconds: float) -> float:
    """A share of real windows with this window counted in, at most 1."""
    count = float(np.interp(seconds, lengths, people))
    return float(min(1.0, (share * count + 1) / (count + 1)))


def read_table(data: Any, lengths: Floats) -> Floats:
    """A table [L, 101] of finite numbers that rise along each row.

    Raises:
        ValueError, TypeError: it is something else.
    """
    table = np.array(data, np.float64)
    if table.shape != (len(lengths), len(SHARES)) or not (np.abs(table) <= LARGEST).all():
        raise ValueError("quantiles")
    if (np.diff(table, axis=1) < 0).any():
        raise ValueError("quantiles fall")
    return table


def read_lengths(seconds: Any, people: Any) -> tuple[Floats, Floats]:
    """The lengths measured (s), rising, and of how many people there are windows of each: [L], [L].

    Raises:
        ValueError, TypeError: they are something else.
    """
    lengths, counts = np.array(seconds, np.float64), np.array(people, np.float64)
    if lengths.ndim != 1 or not len(lengths) or counts.shape != lengths.shape or (np.diff(lengths) <= 0).any():
        raise ValueError("lengths")
    if not ((lengths > 0) & (lengths <= LARGEST) & (counts >= 1) & (counts <= LARGEST)).all():  # NaN is neither
        raise ValueError("lengths")
    return lengths, counts
