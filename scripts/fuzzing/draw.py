"""Random draws that the mutations share."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def spread(rng: Rng, low: float, high: float) -> float:
    """A number between two positive ones, each order of magnitude as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def count(rng: Rng, most: int) -> int:
    """A whole number from 1 to `most`, small ones more often."""
    return max(1, int(spread(rng, 1, most + 1)))


def lie(rng: Rng, value: int, bits: int) -> int:
    """Another value for an unsigned field: the edges of its range, near the true value, or anything."""
    top = 1 << bits
    edge = 1 << int(rng.integers(bits))
    factor = pick(rng, (2, 10, 1000, 90_000))
    options = (
        *(0, 1, 2, top - 1, top >> 1, (top >> 1) - 1, edge, edge - 1),
        *(value + 1, value - 1, value + 8, value * factor, value // factor, value ^ edge),
        int(rng.integers(0, min(top, 1 << 62))),
    )
    return pick(rng, [other for option in options if (other := option % top) != value])
