"""Metrics within pages: each fake is compared with real clips of its own page.

A page of demonstrations, or a corpus, has its own microphones, codecs and loudness. Across pages these would be ranked,
not voices.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.evaluate.metrics import Flags, Floats, RankingMetric

Indices = NDArray[np.int64]
Weighted = Callable[[Floats], Floats]  # weight [..., n] to values [...]


def strata(fake: Flags, pages: Sequence[str], chosen: Flags) -> list[Indices]:
    """Return, page by page, the chosen fakes and all real clips that they are compared with, as indices.

    A fake without a page is compared with all real clips. Pages without a real clip are left out.

    Args:
        fake: whether each clip is a fake, [n].
        pages: the page of each, [n]; empty if it has none.
        chosen: which fakes are meant, [n].
    """
    page = np.asarray(pages, object)
    found = []
    for name in sorted({str(one) for one in page[chosen & fake]}):
        real = ~fake if not name else ~fake & (page == name)
        if real.any():
            found.append(np.flatnonzero((chosen & fake & (page == name)) | real))
    return found


def within(metric: RankingMetric, fake: Flags, score: Floats, parts: Sequence[Indices]) -> Weighted:
    """Return a metric as the mean over pages; NaN if it has no value on any.

    A page of f fakes and r real clips weighs f r / (f + r), as much as it tells of the area under the ROC curve (van
    Elteren, Bulletin of the International Statistical Institute 37, 1960).

    Args:
        metric: a ranking metric.
        fake, score: of all clips, [n].
        parts: the clips of each page, from `strata`.
    """

    def of(weight: Floats) -> Floats:
        total, mass = np.zeros(weight.shape[:-1]), np.zeros(weight.shape[:-1])
        for part in parts:
            value = metric(fake[part], score[part], weight[..., part])
            fakes, all_clips = (weight[..., part] * fake[part]).sum(-1), weight[..., part].sum(-1)
            known = ~np.isnan(value)
            told = np.where(known, fakes * (all_clips - fakes) / np.maximum(all_clips, 1), 0)
            total += np.where(known, value, 0) * told
            mass += told
        return np.asarray(total / np.where(mass == 0, np.nan, mass))

    return of


def over(statistic: Callable[..., Any], metrics: Sequence[Weighted]) -> Weighted:
    """Return a statistic of several metrics in each draw, such as `np.nanmedian` over systems; NaN if all are NaN."""

    def of(weight: Floats) -> Floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a draw without any of these fakes
            return np.asarray(statistic(np.stack([metric(weight) for metric in metrics]), axis=0))

    return of
