"""Several methods on the same clips: figures side by side, and whether their differences may be chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import (
    Estimate,
    Floats,
    RankingMetric,
    auc,
    average_precision,
    bootstrap,
    equal_error_rate,
    interval,
)
from avsync.evaluate.protocols.common import Clip, Coverage, Scored, anomaly, coverage, judged, scored
from avsync.evaluate.results import StoredVerdict
from avsync.evaluate.table import Row, Tables

SCHEMA = "avsync.comparison/1"
METRICS: dict[str, RankingMetric] = {"AUC": auc, "AP": average_precision, "EER": equal_error_rate}

Results = Mapping[str, StoredVerdict]  # by name of the clip


@dataclass(frozen=True, slots=True)
class Difference:
    """A method's figure minus that of the first method.

    Attributes:
        estimate: the difference, with its 95 % interval.
        p_value: two-sided, of a paired bootstrap by identity (`paired_p_value`); NaN if it is not defined.
    """

    estimate: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """One method.

    Attributes:
        name: as the command line calls it.
        real, fake: how many clips there are, and how many of them it judges.
        figures: by name of `METRICS`, on the clips that all methods judge.
        differences: by name of `METRICS`, to the first method; empty for the first.
    """

    name: str
    real: Coverage
    fake: Coverage
    figures: dict[str, Estimate]
    differences: dict[str, Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several methods on the clips that all of them judge.

    Attributes:
        real, fake: how many such clips there are.
        identities: of how many people.
        methods: in the order asked for.
    """

    real: int
    fake: int
    identities: int
    methods: list[MethodFigures]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, **plain(self)}

    def tables(self) -> Tables:
        """Return a table of the figures, and one of the differences to the first method if there are others."""
        first, *others = self.methods
        tables: Tables = {
            f"Methods on the {self.real} real and {self.fake} fake clips that all of them judge": [
                {"method": one.name, "judges": _judges(one), **one.figures} for one in self.methods
            ]
        }
        if others:
            tables[f"Differences to {first.name}"] = [_difference_row(one) for one in others]
        return tables

    def notes(self) -> list[str]:
        """Return lines that explain the tables."""
        return [
            f"Intervals: 95 % bootstrap by person ({self.identities}). Every method has the same draws of people.",
            "p: how likely a difference at least as large is if the methods are equally good (two-sided, paired "
            "bootstrap by person), not corrected for the number of methods.",
        ]


def compare(records: Sequence[ClipRecord], results: Mapping[str, Results]) -> Comparison:
    """Compare methods by the `anomaly_score` of the clips that all of them judge.

    Args:
        records: the clips.
        results: by name of the method, what is stored of each clip; differences are to the first method.
    """
    clips = {name: [Clip(record, of[record.name]) for record in records] for name, of in results.items()}
    common = common_clips(clips)
    some = next(iter(common.values()))
    drawn = {name: _drawn(of) for name, of in common.items()}
    first = next(iter(drawn))
    return Comparison(
        real=int((~some.fake).sum()),
        fake=int(some.fake.sum()),
        identities=len(set(some.identities)),
        methods=[
            MethodFigures(
                name=name,
                real=coverage([clip for clip in of if clip.real]),
                fake=coverage([clip for clip in of if not clip.real]),
                figures={metric: interval(*values) for metric, values in drawn[name].items()},
                differences={} if name == first else _differences(drawn[name], drawn[first]),
            )
            for name, of in clips.items()
        ],
    )


def common_clips(clips: Mapping[str, Sequence[Clip]]) -> dict[str, Scored]:
    """Return, by name of the method, the clips that all methods judge, in the same order, with their scores."""
    everywhere = set.intersection(*({clip.record.name for clip in of if judged(clip)} for of in clips.values()))
    return {
        name: scored((clip for clip in of if clip.record.name in everywhere), anomaly) for name, of in clips.items()
    }


def paired_p_value(difference: float, drawn: Floats) -> float:
    """Return the two-sided p-value of a difference, from the differences of the draws [d]; NaN if it is not defined.

    It is twice the share of draws on the other side of zero, 0 included: the level at which the percentile interval
    begins to exclude 0 (Efron & Tibshirani, An Introduction to the Bootstrap, 1993). One draw is added to each count,
    so that it is never 0.
    """
    known = drawn[~np.isnan(drawn)]
    if np.isnan(difference) or not len(known):
        return float("nan")
    fewer = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (fewer + 1) / (len(known) + 1)))


_Drawn = dict[str, tuple[float, Floats]]  # by metric, its value and that of each draw


def _drawn(of: Scored) -> _Drawn:
    return {name: bootstrap(partial(metric, of.fake, of.score), of.identities) for name, metric in METRICS.items()}


def _differences(of: _Drawn, first: _Drawn) -> dict[str, Difference]:
    found = {}
    for name in METRICS:
        value, drawn = of[name][0] - first[name][0], of[name][1] - first[name][1]
        found[name] = Difference(interval(value, drawn), paired_p_value(value, drawn))
    return found


def _judges(of: MethodFigures) -> str:
    return f"{of.real.judged + of.fake.judged}/{of.real.clips + of.fake.clips}"


def _difference_row(of: MethodFigures) -> Row:
    row: Row = {"method": of.name}
    for name, one in of.differences.items():
        row |= {name: one.estimate, f"p ({name})": one.p_value}
    return row
