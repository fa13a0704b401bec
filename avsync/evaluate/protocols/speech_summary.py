"""The figures of the protocol "speech", as data and as tables."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import UNKNOWN, Estimate
from avsync.evaluate.protocols.common import Coverage
from avsync.evaluate.protocols.interface import SCHEMA
from avsync.evaluate.reliability import Bin, Kept
from avsync.evaluate.results import Settings
from avsync.evaluate.table import INDENT, Row, Tables

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class SpeechGroup:
    """A group of fakes, each against the real clips of its page (all real clips, where the data set has no pages).

    Attributes:
        kind, method: whose fakes they are; empty where the group takes all.
        clips, judged, identities: how many fakes there are, how many have an `anomaly_score`, of how many people.
        compared: how many of these are on a page that has a judged real clip; the figures are theirs.
        auc, equal_error_rate: of the verdict's `anomaly_score`, within pages (`avsync.evaluate.pages`).
        flagged: the share of fakes whose verdict is suspicious.
        checks: by check, the AUC of its own `anomaly_score`.
        baselines: by name, the AUC of a shortcut, in the direction that is better over all fakes, on judged clips.
    """

    kind: str
    method: str
    clips: int
    judged: int
    compared: int
    identities: int
    auc: Estimate
    equal_error_rate: Estimate
    flagged: Estimate
    checks: dict[str, Estimate]
    baselines: dict[str, Estimate]

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{INDENT}{self.method}" if self.method else self.kind or "all"


@dataclass(frozen=True, slots=True)
class Systems:
    """A statistic over systems, each weighing the same: of their AUC and of their equal error rate."""

    auc: Estimate
    equal_error_rate: Estimate


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far a probability can be relied on, see `avsync.evaluate.reliability`; of the clips with a p-value."""

    expected_calibration_error: Estimate
    reliability_diagram: list[Bin]
    accuracy_rejection: list[Kept]


@dataclass(frozen=True, slots=True)
class SpeechSummary:
    """The figures of a data set.

    Attributes:
        settings: what the verdicts were made with.
        real, fake: how many clips there are.
        identities, pages: how many people and pages there are.
        false_alarms: by level, the share of real clips with a p-value at or below it, among those with a p-value.
        overall: all fakes.
        pooled: AUC and equal error rate of all fakes against all real clips, whatever their pages.
        kinds: the fakes of each kind.
        systems: the fakes of each kind and method.
        over_systems: "mean" and "median" over `systems`.
        baseline_directions: by baseline, whether "high" or "low" values are taken for fake.
        calibration: "even_odds" and "one_minus_p", two probabilities made of the p-value.
    """

    settings: Settings
    real: Coverage
    fake: Coverage
    identities: int
    pages: int
    false_alarms: dict[str, Estimate]
    overall: SpeechGroup
    pooled: dict[str, Estimate]
    kinds: list[SpeechGroup]
    systems: list[SpeechGroup]
    over_systems: dict[str, Systems]
    baseline_directions: dict[str, str]
    calibration: dict[str, Calibration]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, "protocol": "speech", **plain(self)}

    def tables(self) -> Tables:
        """Return tables of the verdict, of each check and baseline alone, of false alarms and of calibration."""
        groups = list(self._groups())
        against = "real speech of their page" if self.pages else "real speech"
        tables: Tables = {
            f"Synthetic speech against {against}": [*map(_verdict_row, groups), *self._system_rows()],
            "ROC AUC of the verdict, of each check alone, and of shortcuts": [self._check_row(g) for g in groups],
        }
        if not math.isnan(next(iter(self.false_alarms.values())).value):
            tables["False alarms on real speech"] = [
                {"level": f"p ≤ {level}", "share": figure} for level, figure in self.false_alarms.items()
            ]
        if rows := [_calibration_row(name, one) for name, one in self.calibration.items() if one.accuracy_rejection]:
            tables["Calibration, both classes weighing the same"] = rows
        return tables

    def notes(self) -> list[str]:
        """Return lines on how many clips were judged, and on what the tables mean."""
        lines = [self.real.told("real"), self.fake.told("fake"), *self._pages_told()]
        lines += [
            "Intervals: 95 % bootstrap by person or group. flagged: share of fakes with a suspicious verdict.",
            "Shortcuts hear no voice. (low) or (high): which side is taken for fake, the better one over all fakes.",
            "even odds: the probability of a fake, 1 / (1 + 2 √p), if one is as likely as not beforehand. 1 - p is no "
            "probability: its ECE is 0.25 even where every fake has p = 0. summary.json has the reliability diagrams "
            "and the accuracy-rejection curves.",
        ]
        if math.isnan(self.overall.flagged.value):
            lines.append(
                "No fake has a p-value: the model is not calibrated (see avsync calibrate), or none is judged."
            )
        return lines

    def _pages_told(self) -> list[str]:
        if not self.pages:
            return ["Every group of fakes is compared with all judged real clips."]
        pooled, rate = self.pooled["auc"], self.pooled["equal_error_rate"]
        alone = self.overall.judged - self.overall.compared
        lines = [
            f"Pages: {self.pages}. Each fake is compared with the judged real clips of its page"
            + (f"; {alone} fakes of pages without any are left out." if alone else "."),
        ]
        if not math.isnan(pooled.value):
            lines.append(
                f"All fakes against all real clips, across pages: AUC {pooled.value:.2f} "
                f"[{pooled.low:.2f}–{pooled.high:.2f}], EER {rate.value:.2f} [{rate.low:.2f}–{rate.high:.2f}]."
            )
        return lines

    def _groups(self) -> Iterator[SpeechGroup]:
        """All fakes, then each kind followed by its systems; no row of its own for an unknown or the only kind."""
        yield self.overall
        for kind in self.kinds:
            if len(self.kinds) > 1 and kind.kind:
                yield kind
            yield from (system for system in self.systems if system.kind == kind.kind)

    def _system_rows(self) -> list[Row]:
        return [
            {
                "fakes": f"{name} of {len(self.systems)} systems",
                "judged": "",
                "groups": "",
                "AUC": one.auc,
                "EER": one.equal_error_rate,
                "flagged": UNKNOWN,
            }
            for name, one in self.over_systems.items()
            if len(self.systems) > 1
        ]

    def _check_row(self, group: SpeechGroup) -> Row:
        sides = self.baseline_directions
        baselines = {f"{name.replace('_', ' ')} ({sides[name]})": one for name, one in group.baselines.items()}
        return {"fakes": group.name, "verdict": group.auc, **group.checks, **baselines}


def _verdict_row(group: SpeechGroup) -> Row:
    return {
        "fakes": group.name,
        "judged": f"{group.judged}/{group.clips}",
        "groups": str(group.identities),
        "AUC": group.auc,
        "EER": group.equal_error_rate,
        "flagged": group.flagged,
    }


def _calibration_row(name: str, one: Calibration) -> Row:
    """The error, and the accuracy of all clips and of the surest half: the strictest rejection that keeps so many."""
    surest = [kept for kept in one.accuracy_rejection if kept.kept >= _HALF][-1]
    return {
        "probability": {"even_odds": "even odds", "one_minus_p": "1 - p"}[name],
        "ECE": one.expected_calibration_error,
        "accuracy": one.accuracy_rejection[0].accuracy,
        "of the surest half": surest.accuracy,
    }
