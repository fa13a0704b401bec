"""One number for each clip by which a fact, or all facts together, would rank fakes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.evaluate.audit.facts import Value
from avsync.evaluate.audit.folds import folds
from avsync.evaluate.metrics import Flags, Floats

# A word that fewer clips have is not learned.
_FEWEST = 5
# The penalty on squared coefficients, which are of features between -1 and 1.
_RIDGE = 1.0


def is_word(values: Sequence[Value]) -> bool:
    """Return whether a fact is a word rather than a number."""
    return any(isinstance(value, str) for value in values)


def fact_scores(values: Sequence[Value], identities: Sequence[str], fake: Flags) -> Floats:
    """Return a score for each clip, float64 [n]; NaN where it has no such fact.

    A number is its own score. A word's score is how much more often it goes with fakes than with real clips (log
    ratio), counted on other people's clips: with random labels it ranks nothing.

    Args:
        values: of a fact, [n].
        identities, fake: of the clips, [n].
    """
    if not is_word(values):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    score = np.full(len(values), np.nan)
    for train, test in folds(identities, fake):
        of_fakes = Counter(values[index] for index in np.flatnonzero(train & fake).tolist())
        of_real = Counter(values[index] for index in np.flatnonzero(train & ~fake).tolist())
        for index in np.flatnonzero(test).tolist():
            if (word := values[index]) is not None:
                share_of_fakes = (of_fakes[word] + 1) / (of_fakes.total() + 1)
                score[index] = np.log(share_of_fakes * (of_real.total() + 1) / (of_real[word] + 1))
    return score


def joint_scores(facts: Sequence[Sequence[Value]], identities: Sequence[str], fake: Flags) -> Floats:
    """Return the log odds of a logistic model on all facts, each clip by a model of other people's clips, float64 [n].

    Numbers enter as ranks and squared ranks, so that it does not matter in which unit they are and that values in the
    middle can be telling; words that enough clips have, and the lack of a number, as yes or no. Both classes weigh
    the same.

    Args:
        facts: the values of each fact, each [n].
        identities, fake: of the clips, [n].
    """
    score = np.full(len(identities), np.nan)
    for train, test in folds(identities, fake):
        if fake[train].any() and not fake[train].all():
            columns = [column for values in facts for column in _features(values, train)]
            x = np.stack([np.ones(len(fake)), *columns], axis=1)
            score[test] = x[test] @ _logistic(x[train], fake[train])
    return score


def _features(values: Sequence[Value], train: Flags) -> list[Floats]:
    """The columns of a fact, each [n]: those that differ between the clips to learn from."""
    if is_word(values):
        words = Counter(values[index] for index in np.flatnonzero(train).tolist())
        found = [np.array([one == word for one in values], np.float64) for word, n in words.items() if n >= _FEWEST]
    else:
        number = np.array([np.nan if value is None else value for value in values], np.float64)
        rank = _rank(number, np.sort(number[train & ~np.isnan(number)]))
        found = [rank, np.where(np.isnan(number), 0, rank**2 - 1 / 3), np.isnan(number).astype(np.float64)]
    return [column for column in found if np.ptp(column[train]) > 0]


def _rank(number: Floats, known: Floats) -> Floats:
    """Where numbers lie among sorted known ones, from -1 to 1; 0 for those that are missing."""
    if not len(known):
        return np.zeros(len(number))
    middle = (np.searchsorted(known, number, "left") + np.searchsorted(known, number, "right")) / 2
    return np.where(np.isnan(number), 0.0, 2 * middle / len(known) - 1)


def _logistic(x: Floats, fake: Flags) -> NDArray[np.float64]:
    """The coefficients of a ridge logistic regression, float64 [d]; the first column of x is ones and not penalised."""
    from scipy.optimize import minimize
    from scipy.special import expit

    weight = np.where(fake, 1 / fake.sum(), 1 / (~fake).sum()) * len(fake) / 2
    ridge = np.full(x.shape[1], _RIDGE)
    ridge[0] = 0.0

    def loss(b: Floats) -> tuple[float, Floats]:
        z = x @ b
        value = (weight * (np.logaddexp(0, z) - fake * z)).sum() + (ridge * b**2).sum() / 2
        return float(value), x.T @ (weight * (expit(z) - fake)) + ridge * b

    found: Any = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(found.x, np.float64)
