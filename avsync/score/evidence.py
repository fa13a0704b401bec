"""Evidence: how much more likely a score is for a fake than for a real recording, in a form that can be averaged.

Evidence is meant as an e-value: a number whose mean over real recordings is at most 1. The mean of several e-values is
one too, however they depend on each other, and no other symmetric way of merging them does better (Vovk & Wang,
"E-values: calibration, combination and applications", Annals of Statistics 2021, section 3). A learned ratio keeps this
only as far as real recordings are like those of the calibration. So the mean is not read as evidence by itself: it is
compared with that of real windows.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from avsync.score.quantiles import Floats

_NEPER = np.log(10.0)
# Of the slope, against counterexamples that lie apart from all real windows: their ratio would have no bound.
_RIDGE = 0.01


def from_log_p(log_p: Floats) -> Floats:
    """The evidence, log10, of a score whose alternative is not known: e = 1 / (2 √p).

    One of the calibrators κ p^(κ-1) of Shafer et al., "Test martingales, Bayes factors and p-values", Statistical
    Science 2011, with κ in the middle.

    Args:
        log_p: -log10 p.
    """
    return np.asarray(np.maximum(log_p, 0) / 2 - np.log10(2))


def fit_ratio(real: Floats, weights: Floats, fake: Floats, fake_weights: Floats) -> tuple[float, float]:
    """The slope and the offset of log10 of a likelihood ratio that is linear in log p, by logistic regression.

    Args:
        real, fake: -log10 p of real windows [n] and of counterexamples [m].
        weights, fake_weights: of each, [n] and [m].

    Returns:
        A slope of 0 or more, and an offset.
    """
    from scipy.optimize import minimize  # takes a while to import; scoring does not need it

    total, fake_total = weights.sum(), fake_weights.sum()
    x = np.concatenate([real, fake])
    label = np.concatenate([np.zeros(len(real)), np.ones(len(fake))])
    # Both kinds weigh the same, so that the odds are the ratio.
    weight = np.concatenate([weights, fake_weights * total / fake_total])

    def loss(of: Floats) -> tuple[float, Floats]:
        odds = of[0] * x + of[1]
        wrong = weight * (expit(odds) - label)
        cost = (weight * (np.logaddexp(0, odds) - label * odds)).sum() + _RIDGE * of[0] ** 2 / 2
        return float(cost), np.array([(wrong * x).sum() + _RIDGE * of[0], wrong.sum()])

    slope, offset = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    return float(slope / _NEPER), float(offset / _NEPER)


def mean(evidence: Sequence[Floats | float]) -> Floats:
    """log10 of the mean of e-values, each log10."""
    return np.asarray(np.logaddexp.reduce(np.array(evidence) * _NEPER, axis=0) / _NEPER - np.log10(len(evidence)))
