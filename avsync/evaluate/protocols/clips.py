"""The protocol "clips": whole clips, each group of fakes against all real clips, ranked by `anomaly_score`."""

from collections.abc import Mapping, Sequence
from functools import partial

from avsync.datasets.record import ClipRecord
from avsync.evaluate.baselines import BASELINES
from avsync.evaluate.metrics import auc, average_precision, balanced_average_precision, equal_error_rate
from avsync.evaluate.protocols.clips_summary import ClipsSummary, Group
from avsync.evaluate.protocols.common import (
    Clip,
    anomaly,
    anomaly_of,
    baseline,
    checks_of,
    coverage,
    flagged,
    judged,
    ranked,
)
from avsync.evaluate.results import Settings, StoredVerdict

# Groups of types with the same fake part, and what the names of these types have in common (`ClipRecord.type`).
_PARTS = {"FakeVideo-*": "FakeVideo-", "*-FakeAudio": "-FakeAudio"}


def summarise(records: Sequence[ClipRecord], results: Mapping[str, StoredVerdict], settings: Settings) -> ClipsSummary:
    """Compute the figures of clips, with 95 % bootstrap intervals by identity.

    Args:
        records: the clips.
        results: by name of the clip, what is stored of each of them.
        settings: what all verdicts were made with.
    """
    clips = [Clip(record, results[record.name]) for record in records]
    real = [clip for clip in clips if clip.real]
    fake = [clip for clip in clips if not clip.real]
    checks = checks_of(clips)

    def group(members: Sequence[Clip], kind: str = "", method: str = "") -> Group:
        return _group(real, members, checks, kind, method)

    types = sorted({clip.record.type for clip in fake})
    methods = sorted({(clip.record.type, clip.record.method) for clip in fake})
    parts = {name: [kind for kind in types if part in kind] for name, part in _PARTS.items()}
    return ClipsSummary(
        settings=settings,
        real=coverage(real),
        fake=coverage(fake),
        identities=len({record.identity for record in records}),
        false_alarms=flagged(real),
        overall=group(fake),
        parts=[group([c for c in fake if c.record.type in of], name) for name, of in parts.items() if len(of) > 1],
        types=[group([c for c in fake if c.record.type == kind], kind) for kind in types],
        methods=[group([c for c in fake if (c.record.type, c.record.method) == pair], *pair) for pair in methods],
    )


def _group(real: Sequence[Clip], fake: Sequence[Clip], checks: Sequence[str], kind: str, method: str) -> Group:
    clips = [*real, *fake]
    with_score = list(filter(judged, fake))
    baselines = {name: ranked(auc, filter(judged, clips), partial(baseline, name)) for name in BASELINES}
    return Group(
        type=kind,
        method=method,
        clips=len(fake),
        judged=len(with_score),
        identities=len({clip.record.identity for clip in with_score}),
        auc=ranked(auc, clips, anomaly),
        average_precision=ranked(average_precision, clips, anomaly),
        balanced_average_precision=ranked(balanced_average_precision, clips, anomaly),
        equal_error_rate=ranked(equal_error_rate, clips, anomaly),
        flagged=flagged(fake),
        checks={name: ranked(auc, clips, partial(anomaly_of, name)) for name in checks},
        baselines=baselines,
    )
