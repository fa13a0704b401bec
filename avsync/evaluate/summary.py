"""From the results of clips to the figures of a data set."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

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
from avsync.evaluate.results import ClipResult, Settings

SCHEMA = "avsync.evaluation/1"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of fakes against all real clips, by the score `oddness`; high is fake.

    `type` and `method` are empty where the group takes all of them. Of `clips` fakes, `judged` have a score
    and count; they are of `identities` people. `flagged` is the share of them called suspicious. The last two
    are the areas under the ROC curve of the shortcuts "more leading silence is fake" and "longer is fake", on
    the same clips.
    """

    type: str
    method: str
    clips: int
    judged: int
    identities: int
    auc: Estimate
    average_precision: Estimate
    balanced_average_precision: Estimate
    equal_error_rate: Estimate
    flagged: Estimate
    leading_silence_auc: Estimate
    duration_auc: Estimate


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many clips there are, how many have a score, and why the others have none."""

    clips: int
    judged: int
    refused: dict[str, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a data set.

    `false_alarms` is the share of the judged real clips called suspicious, at `settings.level`. `methods` are
    split by type too: one generator may make picture alone, or picture and sound.
    """

    settings: Settings
    real: Coverage
    fake: Coverage
    identities: int
    false_alarms: Estimate
    overall: Group
    types: list[Group]
    methods: list[Group]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, `schema` first; what is not known is null."""
        plain: dict[str, Any] = _plain({"schema": SCHEMA, **asdict(self)})
        return plain


def summarise(results: Sequence[ClipResult], settings: Settings) -> Summary:
    """Figures, with 95 % bootstrap intervals by identity, of clips judged with the same settings."""
    real = [result for result in results if not result.fake]
    fake = [result for result in results if result.fake]
    alarms = [result for result in real if result.judged]
    types = sorted({result.type for result in fake})
    methods = sorted({(result.type, result.method) for result in fake})
    return Summary(
        settings=settings,
        real=_coverage(real),
        fake=_coverage(fake),
        identities=len({result.identity for result in results}),
        false_alarms=_flagged(alarms),
        overall=_group(real, fake),
        types=[_group(real, [f for f in fake if f.type == kind], kind) for kind in types],
        methods=[_group(real, [f for f in fake if (f.type, f.method) == pair], *pair) for pair in methods],
    )


def _coverage(results: Sequence[ClipResult]) -> Coverage:
    reasons = Counter(result.reason for result in results if not result.judged)
    return Coverage(len(results), len(results) - reasons.total(), dict(reasons.most_common()))


def _group(real: Iterable[ClipResult], fake: Sequence[ClipResult], kind: str = "", method: str = "") -> Group:
    judged = [result for result in fake if result.judged]
    clips = [result for result in real if result.judged] + judged
    return Group(
        type=kind,
        method=method,
        clips=len(fake),
        judged=len(judged),
        identities=len({result.identity for result in judged}),
        auc=_ranked(auc, clips, "oddness"),
        average_precision=_ranked(average_precision, clips, "oddness"),
        balanced_average_precision=_ranked(balanced_average_precision, clips, "oddness"),
        equal_error_rate=_ranked(equal_error_rate, clips, "oddness"),
        flagged=_flagged(judged),
        leading_silence_auc=_ranked(auc, clips, "leading_silence"),
        duration_auc=_ranked(auc, clips, "duration"),
    )


def _ranked(metric: RankingMetric, clips: Sequence[ClipResult], column: str) -> Estimate:
    """A metric of the clips ranked by a column; a clip whose cell is empty is left out."""
    known = [clip for clip in clips if not math.isnan(getattr(clip, column))]
    score = np.array([getattr(clip, column) for clip in known], np.float64)
    fake = np.array([clip.fake for clip in known], bool)
    return estimate(partial(metric, fake, score), [clip.identity for clip in known])


def _flagged(clips: Sequence[ClipResult]) -> Estimate:
    """The share called suspicious; not known where the model is not calibrated, so that nothing is called so."""
    clips = [clip for clip in clips if not math.isnan(clip.p_value)]
    flag = np.array([clip.verdict == "suspicious" for clip in clips], bool)
    return estimate(partial(share, flag), [clip.identity for clip in clips])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
