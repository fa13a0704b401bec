"""How far a probability can be relied on: calibration error, reliability diagram, accuracy where it is sure.

Here a probability is a number from 0 (real) to 1 (fake). A p-value is none: it says how many real recordings look at
least as odd, and nothing of fakes. Two readings of it are measured:

- `even_odds`: e / (1 + e), where e = 1 / (2 √p) is the evidence of the p-value (`avsync.score.evidence`). It is the
  probability of a fake if one is as likely as not before the recording is heard, and if the p-values of fakes have the
  density 1 / (2 √p), which is assumed, not learned. It never falls below 1/3: a p-value speaks against a recording
  more than it can speak for it.
- `one_minus_p`: 1 - p, which is often shown as a confidence. It is no probability: real recordings spread evenly over 0
  to 1, so that its calibration error is 0.25 even where every fake has p = 0.

Both classes weigh the same, as in the even odds.
"""

from dataclasses import dataclass

import numpy as np

from avsync.evaluate.metrics import Flags, Floats

BINS = 15
_STEP = 0.01  # between the reliabilities of the accuracy-rejection curve


@dataclass(frozen=True, slots=True)
class Bin:
    """The clips whose probability lies in (low, high].

    Attributes:
        low, high: the bounds.
        clips: how many there are.
        probability: their mean probability.
        fakes: the share of fakes among them, both classes weighing the same.
    """

    low: float
    high: float
    clips: int
    probability: float
    fakes: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left if clips with a lower reliability are not judged.

    Attributes:
        reliability: the least that is asked for.
        kept: the share of clips that have it, both classes weighing the same.
        accuracy: the share of these that are fakes above 0.5 or real clips at or below it; NaN if none is kept.
    """

    reliability: float
    kept: float
    accuracy: float


def even_odds(p_value: Floats) -> Floats:
    """Return the probability of a fake at even odds, 1 / (1 + 2 √p). [n] → [n]."""
    from avsync.score.evidence import from_log_p  # imports scipy

    evidence = 10 ** from_log_p(-np.log10(np.maximum(p_value, np.finfo(float).tiny)))
    return np.asarray(evidence / (1 + evidence))


def balanced(fake: Flags, weight: Floats) -> Floats:
    """Return weights with which real clips and fakes weigh 1/2 each; NaN where a class is missing. [n], [..., n]."""
    return np.asarray((_shares(weight * fake) + _shares(weight * ~fake)) / 2)


def calibration_error(fake: Flags, probability: Floats, weight: Floats) -> Floats:
    """Return the expected calibration error in 15 bins of equal width (Guo et al., ICML 2017). [n], [n], [..., n].

    It is the mean distance between the mean probability and the share of fakes in a bin, weighted by its clips, as in
    Pascu et al. (Interspeech 2024, arXiv 2309.05384), but with both classes weighing the same.
    """
    gap = balanced(fake, weight) * (fake - probability)
    of = _bins(probability)
    return np.asarray(sum(np.abs(gap[..., of == number].sum(-1)) for number in range(BINS)))


def reliability_diagram(fake: Flags, probability: Floats) -> list[Bin]:
    """Return the bins that hold clips, in order; none if a class is missing. [n], [n]."""
    weight, of = balanced(fake, np.ones(len(fake))), _bins(probability)
    filled = [] if np.isnan(weight).any() else sorted(set(of.tolist()))
    return [
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            clips=int((of == number).sum()),
            probability=float(np.average(probability[of == number], weights=weight[of == number])),
            fakes=float(np.average(fake[of == number], weights=weight[of == number])),
        )
        for number in filled
    ]


def reliability(probability: Floats) -> Floats:
    """Return 1 - H(p) / ln 2: 0 at p = 0.5, 1 at 0 and 1 (Pascu et al., Interspeech 2024, section 4). [n] → [n]."""
    entropy = np.zeros(np.shape(probability))
    for side in (probability, 1 - probability):
        entropy -= np.where(side > 0, side * np.log(np.where(side > 0, side, 1)), 0)
    return np.asarray(1 - entropy / np.log(2))


def accuracy_rejection(fake: Flags, probability: Floats) -> list[Kept]:
    """Return how accurate the probability is if only clips of so much reliability are judged. [n], [n].

    The reliabilities asked for are 0, 0.01, …, 1; none if a class is missing.
    """
    weight, sure = balanced(fake, np.ones(len(fake))), reliability(probability)
    if np.isnan(weight).any() or not len(weight):
        return []
    right = weight * ((probability > 0.5) == fake)
    curve = []
    for asked in np.arange(round(1 / _STEP) + 1) * _STEP:
        kept = sure >= asked
        share = float(weight[kept].sum())
        accuracy = float(right[kept].sum()) / share if share else float("nan")
        curve.append(Kept(round(float(asked), 2), share, accuracy))
    return curve


def _bins(probability: Floats) -> Floats:
    """The number of the bin of each; a bound belongs to the bin below, as in scikit-learn."""
    return np.asarray(np.searchsorted(np.arange(1, BINS) / BINS, probability))


def _shares(weight: Floats) -> Floats:
    total = weight.sum(-1, keepdims=True)
    return np.asarray(weight / np.where(total == 0, np.nan, total))
