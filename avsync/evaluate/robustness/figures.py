"""The figures of robustness: false alarms, ranking and drift of each manipulation, and whether scores follow a mix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from avsync.evaluate.manipulations import Manipulation
from avsync.evaluate.manipulations.mixing import SHARES
from avsync.evaluate.metrics import Estimate, Floats, auc, estimate, share
from avsync.evaluate.pages import strata, within
from avsync.evaluate.protocols.common import Clip, Score, anomaly, anomaly_of, checks_of, coverage, flagged, scored
from avsync.evaluate.reliability import even_odds
from avsync.evaluate.results import Settings
from avsync.evaluate.robustness.summary import Failure, MixedShare, Mixing, Monotony, RobustnessSummary, Row

AS_IT_IS = "as it is"
_PERCENTILE = 90
# Scores that differ by less are the same.
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a manipulation: the clips with a verdict on their copy, and the clips without a copy."""

    manipulation: Manipulation
    clips: Sequence[Clip]
    failures: Sequence[Failure]


def summarise(suite: str, settings: Settings, before: Sequence[Clip], outcomes: Sequence[Outcome]) -> RobustnessSummary:
    """Compute the figures of all manipulations.

    Args:
        suite: "quick" or "full".
        settings: what all verdicts were made with.
        before: the clips with the verdicts on them as they are.
        outcomes: those of the suite and of the mixing test.
    """
    real = {clip.record.name: score for clip in before if clip.real and (score := anomaly(clip)) is not None}
    deviation = float(np.std(list(real.values()))) if len(set(real.values())) > 1 else float("nan")
    mixing = [outcome for outcome in outcomes if outcome.manipulation.suite == "mixing"]
    copies = [outcome for outcome in outcomes if outcome.manipulation.suite == "copy mixing"]
    rows = [_row(AS_IT_IS, "both", "the clips themselves", before, (), real, deviation)]
    for outcome in outcomes:
        if outcome not in mixing and outcome not in copies:
            of = outcome.manipulation
            rows.append(_row(of.name, of.kind, of.strength, outcome.clips, outcome.failures, real, deviation))
    mixed = {"another person's": mixing, "a copy's": copies}
    return RobustnessSummary(
        suite=suite,
        settings=settings,
        identities=len({clip.record.identity for clip in before}),
        deviation=deviation,
        rows=rows,
        mixing=[_mixing(whose, found) for whose, found in mixed.items() if found],
    )


def _row(
    name: str,
    kind: str,
    strength: str,
    clips: Sequence[Clip],
    failures: Sequence[Failure],
    before: dict[str, float],
    deviation: float,
) -> Row:
    real, fake = [clip for clip in clips if clip.real], [clip for clip in clips if not clip.real]
    drift = _drift(real, before) / deviation
    return Row(
        manipulation=name,
        kind=kind,
        strength=strength,
        real=coverage(real),
        fake=coverage(fake),
        false_alarms=flagged(real),
        auc=_auc(clips, anomaly),
        checks={check: _auc(clips, partial(anomaly_of, check)) for check in checks_of(clips)},
        compared=len(drift),
        mean_drift=_or_nan(np.mean, drift),
        mean_absolute_drift=_or_nan(np.mean, np.abs(drift)),
        percentile_90_absolute_drift=_or_nan(partial(np.percentile, q=_PERCENTILE), np.abs(drift)),
        failures=list(failures),
    )


def _drift(real: Sequence[Clip], before: dict[str, float]) -> Floats:
    """The change of `anomaly_score` of the real clips that have one before and after."""
    pairs = [(score, before.get(clip.record.name)) for clip in real if (score := anomaly(clip)) is not None]
    return np.array([after - first for after, first in pairs if first is not None], np.float64)


def _auc(clips: Sequence[Clip], score: Score) -> Estimate:
    """Fakes against real clips, of the same page where there are pages."""
    found = scored(clips, score)
    parts = strata(found.fake, [clip.record.page for clip in found.clips], np.ones(len(found.fake), bool))
    return estimate(within(auc, found.fake, found.score, parts), found.identities)


def _or_nan(statistic: Callable[[Floats], Any], values: Floats) -> float:
    return float(statistic(values)) if len(values) else float("nan")


def _mixing(whose: str, outcomes: Sequence[Outcome]) -> Mixing:
    clips = [clip for outcome in outcomes for clip in outcome.clips]
    failed = {failure for outcome in outcomes for failure in outcome.failures}
    scores: dict[str, Score] = {"verdict": anomaly}
    scores |= {name: partial(anomaly_of, name) for name in checks_of(clips)}
    return Mixing(
        mixed_with=whose,
        clips=len({clip.record.name for clip in clips}),
        scores=[_monotony(name, outcomes, score) for name, score in scores.items()],
        shares=[_share(own, outcome.clips) for own, outcome in zip(SHARES, outcomes, strict=True)],
        failures=sorted(failed, key=lambda failure: failure.clip),
    )


def _monotony(name: str, outcomes: Sequence[Outcome], score: Score) -> Monotony:
    """How well a score follows the share of foreign speech, over the clips that have a score at every share."""
    from scipy.stats import spearmanr

    curves: dict[str, list[float]] = {}
    people: dict[str, str] = {}
    for outcome in outcomes:
        for clip in scored(outcome.clips, score).clips:
            value = score(clip)
            assert value is not None
            curves.setdefault(clip.record.name, []).append(value)
            people[clip.record.name] = clip.record.identity
    whole = {clip: np.array(curve) for clip, curve in curves.items() if len(curve) == len(SHARES)}
    foreign = 1 - np.array(SHARES)
    # A score that stays the same follows nothing: 0.
    rho = [0.0 if np.ptp(curve) < _SAME else float(spearmanr(foreign, curve).statistic) for curve in whole.values()]
    # Shares of the own speech rise, so the score must fall.
    monotone = [bool((np.diff(curve) <= _SAME).all()) for curve in whole.values()]
    identities = [people[clip] for clip in whole]
    return Monotony(
        score=name,
        judged=len(whole),
        rho=estimate(partial(_mean, np.array(rho)), identities),
        monotone=estimate(partial(share, np.array(monotone, bool)), identities),
    )


def _share(own: float, clips: Sequence[Clip]) -> MixedShare:
    found = scored(clips, lambda clip: clip.verdict.p_value)
    return MixedShare(
        own=own,
        clips=len(clips),
        judged=len(found.clips),
        probability=estimate(partial(_mean, even_odds(found.score)), found.identities),
        suspicious=flagged(clips),
    )


def _mean(values: Floats, weight: Floats) -> Floats:
    return np.asarray((weight * values).sum(-1) / weight.sum(-1))
