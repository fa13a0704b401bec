"""What protocols share: clips with their results, which of them are judged, and shares of them with intervals."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from typing import NamedTuple

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.evaluate.baselines import BASELINES
from avsync.evaluate.metrics import Estimate, Flags, Floats, RankingMetric, estimate, share
from avsync.evaluate.results import StoredVerdict
from avsync.score.verdict import Verdict


class Clip(NamedTuple):
    """A clip and what is stored of it."""

    record: ClipRecord
    stored: StoredVerdict

    @property
    def verdict(self) -> Verdict:
        """Its verdict."""
        return self.stored.verdict

    @property
    def real(self) -> bool:
        """Whether it is labelled real."""
        return self.record.label == "real"


Score = Callable[[Clip], float | None]  # high is fake; None: the clip has no score


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many clips there are, how many have an `anomaly_score`, and how many have none for each reason."""

    clips: int
    judged: int
    refused: dict[str, int]

    def told(self, label: str) -> str:
        """Return a line for people; `label` says which clips they are."""
        refused = ", ".join(f"{reason} {count}" for reason, count in self.refused.items())
        return f"Judged {self.judged} of {self.clips} {label} clips; refused: {refused or 'none'}."


class Scored(NamedTuple):
    """The clips that have a score: the clips, whether each is a fake bool [n], its score float64 [n]."""

    clips: list[Clip]
    fake: Flags
    score: Floats

    @property
    def identities(self) -> list[str]:
        """The person of each clip."""
        return [clip.record.identity for clip in self.clips]


def scored(clips: Iterable[Clip], score: Score) -> Scored:
    """Return the clips whose score is a number."""
    found = [(clip, value) for clip in clips if (value := score(clip)) is not None and not isnan(value)]
    fake = np.array([not clip.real for clip, _ in found], bool)
    return Scored([clip for clip, _ in found], fake, np.array([value for _, value in found], np.float64))


def coverage(clips: Sequence[Clip]) -> Coverage:
    """Count the judged clips, and the others by reason, the most frequent first."""
    reasons = Counter(str(clip.verdict.reason) for clip in clips if not judged(clip))
    return Coverage(len(clips), len(clips) - reasons.total(), dict(reasons.most_common()))


def judged(clip: Clip) -> bool:
    """Return whether a clip has an `anomaly_score`."""
    return clip.verdict.anomaly_score is not None


def flagged(clips: Iterable[Clip]) -> Estimate:
    """Return the share of suspicious verdicts; unknown if no clip has a p-value, as without calibration."""
    called = [clip for clip in clips if clip.verdict.p_value is not None]
    flag = np.array([clip.verdict.verdict == "suspicious" for clip in called], bool)
    return estimate(partial(share, flag), [clip.record.identity for clip in called])


def ranked(metric: RankingMetric, clips: Iterable[Clip], score: Score) -> Estimate:
    """Return a metric of the clips that have a score, with its interval."""
    found = scored(clips, score)
    return estimate(partial(metric, found.fake, found.score), found.identities)


def anomaly(clip: Clip) -> float | None:
    """Return the verdict's `anomaly_score`."""
    return clip.verdict.anomaly_score


def anomaly_of(check: str, clip: Clip) -> float | None:
    """Return the `anomaly_score` of one check."""
    found = clip.verdict.checks.get(check)
    return found.anomaly_score if found else None


def baseline(name: str, clip: Clip) -> float | None:
    """Return the number of one of `avsync.evaluate.baselines.BASELINES`."""
    return BASELINES[name](clip.verdict)


def checks_of(clips: Iterable[Clip]) -> list[str]:
    """Return the names of the checks that the verdicts have, in their order."""
    return list(dict.fromkeys(name for clip in clips for name in clip.verdict.checks))
