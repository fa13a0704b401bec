"""The protocol "clips": whole clips, each group of fakes against all real clips, ranked by `anomaly_score`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from math import isnan

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.evaluate.baselines import BASELINES
from avsync.evaluate.metrics import (
    Estimate,
    RankingMetric,
    auc,
    average_precision,
    balanced_average_precision,
    equal_error_rate,
    estimate,
    share,
)
from avsync.evaluate.protocols.clips_summary import ClipsSummary, Coverage, Group
from avsync.evaluate.results import Settings
from avsync.score.verdict import Verdict

# Groups of types with the same fake part, and what the names of these types have in common (`ClipRecord.type`).
_PARTS = {"FakeVideo-*": "FakeVideo-", "*-FakeAudio": "-FakeAudio"}

Clip = tuple[ClipRecord, Verdict]
Score = Callable[[Verdict], float | None]  # high is fake; None: the clip has no score


def summarise(records: Sequence[ClipRecord], verdicts: Mapping[str, Verdict], settings: Settings) -> ClipsSummary:
    """Compute the figures of clips, with 95 % bootstrap intervals by identity.

    Args:
        records: the clips.
        verdicts: by name of the clip, a verdict for each of them.
        settings: what all verdicts were made with.
    """
    clips = [(record, verdicts[record.name]) for record in records]
    real = [clip for clip in clips if clip[0].label == "real"]
    fake = [clip for clip in clips if clip[0].label == "fake"]
    checks = list(dict.fromkeys(chain.from_iterable(verdict.checks for _, verdict in clips)))

    def group(members: Sequence[Clip], kind: str = "", method: str = "") -> Group:
        return _group(real, members, checks, kind, method)

    types = sorted({record.type for record, _ in fake})
    methods = sorted({(record.type, record.method) for record, _ in fake})
    parts = {name: [kind for kind in types if part in kind] for name, part in _PARTS.items()}
    return ClipsSummary(
        settings=settings,
        real=_coverage(real),
        fake=_coverage(fake),
        identities=len({record.identity for record in records}),
        false_alarms=_flagged(real),
        overall=group(fake),
        parts=[group([c for c in fake if c[0].type in of], name) for name, of in parts.items() if len(of) > 1],
        types=[group([c for c in fake if c[0].type == kind], kind) for kind in types],
        methods=[group([c for c in fake if (c[0].type, c[0].method) == pair], *pair) for pair in methods],
    )


def _group(real: Sequence[Clip], fake: Sequence[Clip], checks: Sequence[str], kind: str, method: str) -> Group:
    clips = [*real, *fake]
    judged = [clip for clip in fake if _judged(clip)]
    return Group(
        type=kind,
        method=method,
        clips=len(fake),
        judged=len(judged),
        identities=len({record.identity for record, _ in judged}),
        auc=_ranked(auc, clips, _anomaly),
        average_precision=_ranked(average_precision, clips, _anomaly),
        balanced_average_precision=_ranked(balanced_average_precision, clips, _anomaly),
        equal_error_rate=_ranked(equal_error_rate, clips, _anomaly),
        flagged=_flagged(fake),
        checks={name: _ranked(auc, clips, partial(_anomaly_of, name)) for name in checks},
        baselines={name: _ranked(auc, filter(_judged, clips), score) for name, score in BASELINES.items()},
    )


def _coverage(clips: Sequence[Clip]) -> Coverage:
    reasons = Counter(str(verdict.reason) for _, verdict in clips if verdict.anomaly_score is None)
    return Coverage(len(clips), len(clips) - reasons.total(), dict(reasons.most_common()))


def _ranked(metric: RankingMetric, clips: Iterable[Clip], score: Score) -> Estimate:
    """A metric of the clips that have a score."""
    scored = [(record, value) for record, verdict in clips if (value := score(verdict)) is not None]
    scored = [(record, value) for record, value in scored if not isnan(value)]
    values = np.array([value for _, value in scored], np.float64)
    fake = np.array([record.label == "fake" for record, _ in scored], bool)
    return estimate(partial(metric, fake, values), [record.identity for record, _ in scored])


def _flagged(clips: Iterable[Clip]) -> Estimate:
    """The share of suspicious verdicts; unknown if no clip has a p-value, as without calibration."""
    called = [(record, verdict) for record, verdict in clips if verdict.p_value is not None]
    flag = np.array([verdict.verdict == "suspicious" for _, verdict in called], bool)
    return estimate(partial(share, flag), [record.identity for record, _ in called])


def _judged(clip: Clip) -> bool:
    return clip[1].anomaly_score is not None


def _anomaly(verdict: Verdict) -> float | None:
    return verdict.anomaly_score


def _anomaly_of(check: str, verdict: Verdict) -> float | None:
    return verdict.checks[check].anomaly_score if check in verdict.checks else None
