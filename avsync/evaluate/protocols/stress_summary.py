"""The figures of the protocol "stress", as data and as tables."""

import math
from dataclasses import dataclass
from typing import Any

from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import Estimate
from avsync.evaluate.protocols.common import Coverage
from avsync.evaluate.protocols.interface import SCHEMA
from avsync.evaluate.results import Settings
from avsync.evaluate.table import INDENT, Row, Tables
from avsync.stress import USE


@dataclass(frozen=True, slots=True)
class StressGroup:
    """Some reconstructions against all real clips of the set.

    Attributes:
        by, name: what they have in common: "kind", "blending" or "quality", and which; empty: all of them.
        clips, judged: how many there are, and how many have an `anomaly_score`.
        identities: of how many people these are.
        flaw: the median of the largest share of a bound that they take; 0 is a perfect reconstruction, 1 just passes.
        auc: of the verdict's `anomaly_score`.
        above_own: how often a reconstruction scores above the real clip that it was made of; ties count half.
        flagged: the share whose verdict is suspicious.
        checks: by check, the AUC of its own `anomaly_score`.
        baselines: by name, the AUC of a shortcut; a reconstruction and its real clip have the same sound and length.
    """

    by: str
    name: str
    clips: int
    judged: int
    identities: int
    flaw: float
    auc: Estimate
    above_own: Estimate
    flagged: Estimate
    checks: dict[str, Estimate]
    baselines: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class StressSummary:
    """The figures of a stress set.

    Attributes:
        settings: what the verdicts were made with.
        real, fake: how many clips there are.
        identities: how many people there are.
        false_alarms: the share of judged real clips whose verdict is suspicious.
        groups: all reconstructions, those of each kind, of each blending, of each third by quality.
    """

    settings: Settings
    real: Coverage
    fake: Coverage
    identities: int
    false_alarms: Estimate
    groups: list[StressGroup]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, "protocol": "stress", **plain(self)}

    def tables(self) -> Tables:
        """Return a table of the verdict's figures, and one of each check and baseline alone."""
        return {
            "Reconstructions against real clips": [_verdict_row(group) for group in self.groups],
            "ROC AUC of the verdict, of each check alone, and of baselines": [_check_row(g) for g in self.groups],
        }

    def notes(self) -> list[str]:
        """Return lines on how many clips were judged, on false alarms, and on what the columns mean."""
        alarms = self.false_alarms
        told = "unknown; no real clip has a p-value"
        if not math.isnan(alarms.value):
            told = f"{alarms.value:.2f} [{alarms.low:.2f}–{alarms.high:.2f}] of the judged real clips"
        return [
            self.real.told("real"),
            self.fake.told("reconstructed"),
            f"False alarms: {told}, at level {self.settings.level:g}.",
            "Each group is compared with all judged real clips of the set. above own: how often a reconstruction "
            "scores above the real clip it was made of. flaw: its worst measure, as a share of what is allowed.",
            "Intervals: 95 % bootstrap by person; too narrow if there are few people.",
            USE,
        ]


def _verdict_row(group: StressGroup) -> Row:
    return {
        "reconstructions": _named(group),
        "judged": f"{group.judged}/{group.clips}",
        "people": group.identities,
        "flaw": group.flaw,
        "AUC": group.auc,
        "above own": group.above_own,
        "flagged": group.flagged,
    }


def _check_row(group: StressGroup) -> Row:
    baselines = {name.replace("_", " "): figure for name, figure in group.baselines.items()}
    return {"reconstructions": _named(group), "verdict": group.auc, **group.checks, **baselines}


def _named(group: StressGroup) -> str:
    return f"{INDENT}{group.name}" if group.by else "all"
