"""Ranking metrics on weighted clips, and their bootstrap intervals by identity.

Each metric takes weights [..., n] and computes all draws of the bootstrap at once, which scikit-learn cannot do.
The values equal those of scikit-learn (tests compare them).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
RankingMetric = Callable[[Flags, Floats, Floats], Floats]  # fake [n], score [n] (high is fake), weight [..., n]

DRAWS = 1000
LEVEL = 0.95
# Draws are computed in batches of about this many weights (8 bytes each), so that memory does not grow with clips.
_BATCH = 2_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; all three are NaN if the value is not defined."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


def estimate(
    metric: Callable[[Floats], Floats], identities: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Compute a metric with its percentile bootstrap interval: identities, not clips, are drawn with replacement.

    Clips of one person resemble each other, so drawing clips would give intervals that are too narrow. Draws
    in which the metric is not defined (one class is missing) are left out.

    Args:
        metric: a function from weights, float64 [d, n], to values, float64 [d].
        identities: the person of each clip, [n].
        draws: number of draws.
        seed: of the random generator.
    """
    return interval(*bootstrap(metric, identities, draws=draws, seed=seed))


def bootstrap(
    metric: Callable[[Floats], Floats], identities: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, Floats]:
    """Compute a metric of all clips, and of each draw of identities, float64 [draws]; NaN where it is not defined.

    Arguments as of `estimate`. The same identities, draws and seed give the same draws: values of several metrics, or
    of several scores of the same clips, can be subtracted draw by draw.
    """
    if not identities:
        return float("nan"), np.full(draws, np.nan)
    (value,) = metric(np.ones((1, len(identities))))
    people, index = np.unique(np.asarray(identities), return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=draws).astype(np.float64)
    batches = np.array_split(counts, max(1, draws * len(identities) // _BATCH))
    return float(value), np.concatenate([metric(batch[:, index]) for batch in batches])


def interval(value: float, drawn: Floats) -> Estimate:
    """Return a value with the 95 % interval that the draws of `bootstrap` give it."""
    known = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(known):
        return UNKNOWN
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def auc(fake: Flags, score: Floats, weight: Floats) -> Floats:
    """Area under the ROC curve: how often a fake scores above a real clip. [n], [n], [..., n] → [...]."""
    hits, alarms = _curve(fake, score, weight)
    area = (np.diff(alarms) * (hits[..., 1:] + hits[..., :-1]) / 2).sum(-1)
    return _over(area, hits[..., -1] * alarms[..., -1])


def average_precision(fake: Flags, score: Floats, weight: Floats) -> Floats:
    """Precision averaged over the steps of recall, without interpolation. [n], [n], [..., n] → [...]."""
    return _average_precision(*_curve(fake, score, weight))


def balanced_average_precision(fake: Flags, score: Floats, weight: Floats) -> Floats:
    """Average precision with both classes of the same total weight: chance is 0.5. [n], [n], [..., n] → [...]."""
    hits, alarms = _curve(fake, score, weight)
    return _average_precision(hits, alarms * _over(hits[..., -1:], alarms[..., -1:]))


def equal_error_rate(fake: Flags, score: Floats, weight: Floats) -> Floats:
    """The rate at which false alarms equal misses, on the interpolated ROC curve. [n], [n], [..., n] → [...]."""
    hits, alarms = _curve(fake, score, weight)
    alarm = _over(alarms, alarms[..., -1:])
    gap = 1 - _over(hits, hits[..., -1:]) - alarm  # misses minus false alarms: falls from 1 to -1
    after = np.maximum(1, (gap <= 0).argmax(-1))[..., None]
    gap_0, gap_1 = (np.take_along_axis(gap, at, -1)[..., 0] for at in (after - 1, after))
    alarm_0, alarm_1 = (np.take_along_axis(alarm, at, -1)[..., 0] for at in (after - 1, after))
    return np.asarray(alarm_0 + (alarm_1 - alarm_0) * _over(gap_0, gap_0 - gap_1))


def roc(fake: Flags, score: Floats) -> tuple[Floats, Floats]:
    """Return the ROC curve of n clips with k distinct scores: false-alarm rates and hit rates, from 0 to 1, [k + 1].

    NaN where a class is missing.
    """
    hits, alarms = _curve(fake, score, np.ones(len(fake)))
    return _over(alarms, alarms[-1:]), _over(hits, hits[-1:])


def share(flag: Flags, weight: Floats) -> Floats:
    """The share of clips that are flagged. [n], [..., n] → [...]."""
    return _over((weight * flag).sum(-1), weight.sum(-1))


def _curve(fake: Flags, score: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The weight of fakes, and of real clips, at or above each of k distinct scores: [..., k + 1], from 0 to all."""
    order = np.argsort(-score, kind="stable")
    score, fake, weight = score[order], fake[order], weight[..., order]
    last_of_tie = np.append(score[1:] != score[:-1], True)
    start = np.zeros((*weight.shape[:-1], 1))
    hits, alarms = (np.cumsum(weight * of, axis=-1)[..., last_of_tie] for of in (fake, ~fake))
    return np.concatenate([start, hits], -1), np.concatenate([start, alarms], -1)


def _average_precision(hits: Floats, alarms: Floats) -> Floats:
    called = hits[..., 1:] + alarms[..., 1:]
    precision = np.divide(hits[..., 1:], called, out=np.zeros_like(called), where=called > 0)
    both = np.where(alarms[..., -1] > 0, hits[..., -1], 0)
    return _over((np.diff(hits) * precision).sum(-1), both)


def _over(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where whole is 0."""
    return np.asarray(part / np.where(whole == 0, np.nan, whole))
