"""The protocol "speech": synthetic voices by system, each against real speech of the same page, beside shortcuts."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.evaluate.baselines import SPEECH_BASELINES
from avsync.evaluate.metrics import Estimate, Flags, RankingMetric, auc, equal_error_rate, estimate, share
from avsync.evaluate.pages import Indices, over, strata, within
from avsync.evaluate.protocols.common import (
    Clip,
    Score,
    Scored,
    anomaly,
    anomaly_of,
    checks_of,
    coverage,
    flagged,
    judged,
    scored,
)
from avsync.evaluate.protocols.speech_summary import Calibration, SpeechGroup, SpeechSummary, Systems
from avsync.evaluate.reliability import accuracy_rejection, calibration_error, even_odds, reliability_diagram
from avsync.evaluate.results import Settings, StoredVerdict

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
_Pair = tuple[str | None, str | None]  # the kind and the method of the fakes that are meant; None: any
_ALL: _Pair = (None, None)


def summarise(records: Sequence[ClipRecord], results: Mapping[str, StoredVerdict], settings: Settings) -> SpeechSummary:
    """Compute the figures of speech, with 95 % bootstrap intervals by identity.

    Args:
        records: the clips.
        results: by name of the clip, what is stored of each of them.
        settings: what all verdicts were made with.
    """
    clips = [Clip(record, results[record.name]) for record in records]
    real, fake = [clip for clip in clips if clip.real], [clip for clip in clips if not clip.real]
    scores: dict[str, Score] = {name: partial(anomaly_of, name) for name in checks_of(clips)}
    directions = {name: _direction(clips, name) for name in SPEECH_BASELINES}
    scores |= {name: partial(_shortcut, name, sign) for name, sign in directions.items()}
    figures = _Figures(clips, scores)
    systems = sorted({(clip.record.kind, clip.record.method) for clip in fake})
    ranked = scored(clips, anomaly)
    return SpeechSummary(
        settings=settings,
        real=coverage(real),
        fake=coverage(fake),
        identities=len({record.identity for record in records}),
        pages=len({record.page for record in records if record.page}),
        false_alarms={f"{level:g}": _share_at_most(level, real) for level in LEVELS},
        overall=figures.group(_ALL),
        pooled={
            "auc": estimate(partial(auc, ranked.fake, ranked.score), ranked.identities),
            "equal_error_rate": estimate(partial(equal_error_rate, ranked.fake, ranked.score), ranked.identities),
        },
        kinds=[figures.group((kind, None)) for kind in sorted({kind for kind, _ in systems})],
        systems=[figures.group(pair) for pair in systems],
        over_systems=figures.over_systems(systems),
        baseline_directions={name: "high" if sign > 0 else "low" for name, sign in directions.items()},
        calibration={
            "even_odds": _calibration(clips, even_odds),
            "one_minus_p": _calibration(clips, lambda p: 1 - p),
        },
    )


class _Figures:
    """Figures of groups of fakes; the clips that have a score are looked up once for each score."""

    def __init__(self, clips: Sequence[Clip], scores: Mapping[str, Score]) -> None:
        self._clips, self._verdict = clips, scored(clips, anomaly)
        with_verdict = list(filter(judged, clips))
        self._checks = {name: scored(clips, of) for name, of in scores.items() if name not in SPEECH_BASELINES}
        self._baselines = {name: scored(with_verdict, scores[name]) for name in SPEECH_BASELINES}

    def group(self, wanted: _Pair) -> SpeechGroup:
        """The figures of the fakes that are wanted."""
        kind, method = wanted
        fakes = [clip for clip in self._clips if not clip.real and _is_of(wanted, clip.record)]
        parts = _strata(self._verdict, wanted)
        with_score = list(filter(judged, fakes))
        return SpeechGroup(
            kind=kind or "",
            method=method or "",
            clips=len(fakes),
            judged=len(with_score),
            compared=int(sum(self._verdict.fake[part].sum() for part in parts)),
            identities=len({clip.record.identity for clip in with_score}),
            auc=_within_pages(auc, self._verdict, wanted),
            equal_error_rate=_within_pages(equal_error_rate, self._verdict, wanted),
            flagged=flagged(fakes),
            checks={name: _within_pages(auc, found, wanted) for name, found in self._checks.items()},
            baselines={name: _within_pages(auc, found, wanted) for name, found in self._baselines.items()},
        )

    def over_systems(self, systems: Sequence[tuple[str, str]]) -> dict[str, Systems]:
        """Mean and median over systems: every system weighs the same, however many clips it has."""
        return {
            name: Systems(
                auc=self._over(statistic, auc, systems),
                equal_error_rate=self._over(statistic, equal_error_rate, systems),
            )
            for name, statistic in (("mean", np.nanmean), ("median", np.nanmedian))
        }

    def _over(
        self, statistic: Callable[..., Any], metric: RankingMetric, systems: Sequence[tuple[str, str]]
    ) -> Estimate:
        found = self._verdict
        parts = [_strata(found, pair) for pair in systems]
        metrics = [within(metric, found.fake, found.score, one) for one in parts if one]
        return estimate(over(statistic, metrics), found.identities if metrics else [])


def _is_of(wanted: _Pair, record: ClipRecord) -> bool:
    kind, method = wanted
    return kind in (None, record.kind) and method in (None, record.method)


def _strata(found: Scored, wanted: _Pair) -> list[Indices]:
    chosen = np.fromiter((_is_of(wanted, clip.record) for clip in found.clips), bool, len(found.clips))
    return strata(found.fake, [clip.record.page for clip in found.clips], chosen)


def _within_pages(metric: RankingMetric, found: Scored, wanted: _Pair) -> Estimate:
    """A metric of the wanted fakes against real clips of their pages; only these clips are drawn."""
    parts = _strata(found, wanted)
    used = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    here = [np.searchsorted(used, part) for part in parts]
    identities = [found.clips[index].record.identity for index in used]
    return estimate(within(metric, found.fake[used], found.score[used], here), identities)


def _shortcut(name: str, sign: float, clip: Clip) -> float | None:
    value = SPEECH_BASELINES[name](clip.stored)
    return None if value is None else sign * value


def _direction(clips: Sequence[Clip], name: str) -> float:
    """1 if high values tell fakes within the pages of this data set, else -1."""
    found = scored(filter(judged, clips), partial(_shortcut, name, 1.0))
    value = within(auc, found.fake, found.score, _strata(found, _ALL))(np.ones(len(found.clips)))
    return -1.0 if value < 0.5 else 1.0


def _share_at_most(level: float, clips: Sequence[Clip]) -> Estimate:
    """The share of clips with a p-value at or below a level, among those with a p-value."""
    found = scored(clips, lambda clip: clip.verdict.p_value)
    below: Flags = found.score <= level
    return estimate(partial(share, below), found.identities)


def _calibration(clips: Sequence[Clip], probability: Callable[[Any], Any]) -> Calibration:
    found = scored(clips, lambda clip: clip.verdict.p_value)
    value = probability(found.score)
    return Calibration(
        expected_calibration_error=estimate(partial(calibration_error, found.fake, value), found.identities),
        reliability_diagram=reliability_diagram(found.fake, value),
        accuracy_rejection=accuracy_rejection(found.fake, value),
    )
