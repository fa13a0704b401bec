"""How well each fact separates fakes from real clips, and whether that can be chance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import erfc, isnan, nan, sqrt
from statistics import median
from typing import NamedTuple

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.evaluate.audit.facts import FACTS, Value
from avsync.evaluate.audit.scores import fact_scores, is_word, joint_scores
from avsync.evaluate.metrics import UNKNOWN, Estimate, Flags, Floats, auc, estimate
from avsync.evaluate.pages import Indices, strata, within

# A cue that is at least so strong, and hardly by chance, is a warning.
THRESHOLD, LEVEL = 0.6, 0.05
# An interval of 95 % of a normal distribution is so many standard deviations wide.
_WIDTH = 3.92
# The AUC of a cross-validated model varies more than that of a score that was not learned: on random labels 1.3 to 1.5
# times as much (measured with 60 and 200 people), because every part is tested by models of the others.
_LEARNED = 1.5
ALL = "all"


class MeasuredClip(NamedTuple):
    """A clip and its facts by name."""

    record: ClipRecord
    facts: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a fact separates some of the fakes from real clips.

    Attributes:
        auc: the AUC of a detector that knows nothing but this fact, and on which side fakes are: how often it ranks a
            fake above a real clip of its page. With its 95 % interval by identity.
        fakes_have: the side: "more", "less", or "other values" if the fact is a word.
        p_value: the chance of an AUC as far from 0.5 if the fact tells nothing, times the number of facts and groups
            that are looked at (Bonferroni), at most 1.
        typical: the median of these fakes, or their most frequent word; None of several facts.
    """

    auc: Estimate
    fakes_have: str
    p_value: float
    typical: Value = None

    @property
    def warns(self) -> bool:
        """Whether it is a shortcut that is hardly chance."""
        return self.auc.value >= THRESHOLD and self.p_value < LEVEL


@dataclass(frozen=True, slots=True)
class Cue:
    """A fact, and what it tells.

    Attributes:
        fact, unit, source, advice: as in `avsync.evaluate.audit.facts.Fact`.
        clips: how many have it.
        typical_real: the median of real clips, or their most frequent word.
        all: all fakes against real clips.
        types: the fakes of each type, if there are several types.
    """

    fact: str
    unit: str
    source: str
    advice: str
    clips: int
    typical_real: Value
    all: Separation
    types: dict[str, Separation]

    @property
    def warnings(self) -> dict[str, Separation]:
        """The groups of fakes that it gives away, the strongest first."""
        groups = sorted({ALL: self.all, **self.types}.items(), key=lambda group: -nan_last(group[1].auc.value))
        return {name: group for name, group in groups if group.warns}


def find_cues(clips: Sequence[MeasuredClip]) -> list[Cue]:
    """Return a cue for each fact that differs between clips, the strongest first.

    Args:
        clips: real clips and fakes.
    """
    told = {name: [clip.facts[name] for clip in clips] for name in FACTS}
    told = {name: values for name, values in told.items() if len({value for value in values if value is not None}) > 1}
    looked_at = len(told) * len(_groups(clips))
    cues = [_cue(name, clips, values, looked_at) for name, values in told.items()]
    return sorted(cues, key=lambda cue: -nan_last(cue.all.auc.value))


def ceiling(clips: Sequence[MeasuredClip]) -> dict[str, Separation]:
    """Return how well a logistic model on all facts separates fakes from real clips: one of all, one of each type."""
    groups = _groups(clips)
    return {name: _joint(clips, chosen, len(groups)) for name, chosen in groups.items()}


def nan_last(value: float) -> float:
    """Return a value that sorts behind every other if it is NaN."""
    return -1.0 if isnan(value) else value


def _joint(clips: Sequence[MeasuredClip], chosen: Flags, looked_at: int) -> Separation:
    fake = _fake(clips)
    used = [clips[index] for index in np.flatnonzero(chosen | ~fake).tolist()]
    facts = [[clip.facts[name] for clip in used] for name in FACTS]
    score = joint_scores(facts, [clip.record.identity for clip in used], _fake(used))
    return _separation(used, score, _fake(used), looked_at, spread=_LEARNED)


def _cue(name: str, clips: Sequence[MeasuredClip], values: Sequence[Value], looked_at: int) -> Cue:
    fact, fake = FACTS[name], _fake(clips)
    score = fact_scores(values, [clip.record.identity for clip in clips], fake)
    groups = {
        of: replace(_separation(clips, score, chosen, looked_at), typical=_typical(_of(values, chosen)))
        for of, chosen in _groups(clips).items()
    }
    if is_word(values):  # other people's clips have chosen the side
        groups = {of: replace(group, fakes_have="other values") for of, group in groups.items()}
    else:
        groups = {of: _on_its_side(group) for of, group in groups.items()}
    return Cue(
        fact=name,
        unit=fact.unit,
        source=fact.source,
        advice=fact.advice,
        clips=sum(value is not None for value in values),
        typical_real=_typical(_of(values, ~fake)),
        all=groups.pop(ALL),
        types=groups,
    )


def _groups(clips: Sequence[MeasuredClip]) -> dict[str, Flags]:
    """All fakes, and those of each type if there are several, as flags of the clips."""
    fake = _fake(clips)
    kind = np.array([clip.record.type for clip in clips], object)
    types = sorted({clip.record.type for clip in clips if _is_fake(clip)})
    return {ALL: fake, **{name: fake & (kind == name) for name in types if len(types) > 1}}


def _separation(
    clips: Sequence[MeasuredClip], score: Floats, chosen: Flags, looked_at: int, spread: float = 1.0
) -> Separation:
    """How well high scores tell the chosen fakes.

    Only clips that have a score, and that the chosen fakes are compared with, are counted and drawn.
    """
    fake = _fake(clips)
    known = np.flatnonzero(~np.isnan(score) & (chosen | ~fake))
    parts = strata(fake[known], [clips[index].record.page for index in known.tolist()], chosen[known])
    if not parts:
        return Separation(UNKNOWN, "more", nan)
    used: Indices = np.unique(np.concatenate(parts))
    identities = [clips[index].record.identity for index in known[used].tolist()]
    metric = within(auc, fake[known][used], score[known][used], [np.searchsorted(used, part) for part in parts])
    found = estimate(metric, identities)
    fakes = int(fake[known][used].sum())
    p_value = _p_value(found, fakes, len(used) - fakes, spread)
    return Separation(found, "more", nan if isnan(p_value) else min(1.0, looked_at * p_value))


def _p_value(found: Estimate, fakes: int, real: int, spread: float) -> float:
    """The two-sided p-value of an AUC by its bootstrap error, or by that of random ranks if that is larger.

    Where the two classes do not overlap, the bootstrap has no error. Random ranks have the variance of the Mann-Whitney
    statistic. The error is taken `spread` times as large.
    """
    if isnan(found.value) or not fakes or not real:
        return nan
    error = max((found.high - found.low) / _WIDTH, sqrt((fakes + real + 1) / (12 * fakes * real)))
    return erfc(abs(found.value - 0.5) / (spread * error) / sqrt(2))


def _on_its_side(group: Separation) -> Separation:
    """The side on which the fakes are."""
    found = group.auc
    if found.value >= 0.5 or isnan(found.value):
        return group
    return replace(group, auc=Estimate(1 - found.value, 1 - found.high, 1 - found.low), fakes_have="less")


def _of(values: Sequence[Value], chosen: Flags) -> list[Value]:
    """The values of the chosen clips."""
    return [values[index] for index in np.flatnonzero(chosen).tolist()]


def _typical(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    if is_word(known):
        return Counter(map(str, known)).most_common(1)[0][0]
    return median(float(value) for value in known) if known else None


def _is_fake(clip: MeasuredClip) -> bool:
    return clip.record.label == "fake"


def _fake(clips: Sequence[MeasuredClip]) -> Flags:
    return np.fromiter(map(_is_fake, clips), bool, len(clips))
