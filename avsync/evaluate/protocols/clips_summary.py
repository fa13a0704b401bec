"""The figures of the protocol "clips", as data and as tables."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import Estimate
from avsync.evaluate.protocols.common import Coverage
from avsync.evaluate.protocols.interface import SCHEMA
from avsync.evaluate.results import Settings
from avsync.evaluate.table import INDENT, Row, Tables


@dataclass(frozen=True, slots=True)
class Group:
    """A group of fakes against all real clips.

    Attributes:
        type, method: whose fakes they are; empty where the group takes all. "FakeVideo-*" stands for two types.
        clips: how many fakes there are.
        judged: how many of them have an `anomaly_score`.
        identities: of how many people these are.
        auc, average_precision, balanced_average_precision, equal_error_rate: of the verdict's `anomaly_score`.
        flagged: the share of fakes whose verdict is suspicious.
        checks: by check, the AUC of its own `anomaly_score`, on the clips where it has one.
        baselines: by name, the AUC of a shortcut (`avsync.evaluate.baselines`), on the clips that are judged.
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
    checks: dict[str, Estimate]
    baselines: dict[str, Estimate]

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{INDENT}{self.method}" if self.method else self.type or "all"


@dataclass(frozen=True, slots=True)
class ClipsSummary:
    """The figures of a data set.

    Attributes:
        settings: what the verdicts were made with.
        real, fake: how many clips there are.
        identities: how many people there are.
        false_alarms: the share of judged real clips whose verdict is suspicious, at `settings.level`.
        overall: all fakes.
        parts: the fakes with a fake picture, and those with fake sound, each if they are of several types.
        types: the fakes of each type.
        methods: the fakes of each type and method: one generator may make pictures alone, or pictures and sound.
    """

    settings: Settings
    real: Coverage
    fake: Coverage
    identities: int
    false_alarms: Estimate
    overall: Group
    parts: list[Group]
    types: list[Group]
    methods: list[Group]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, "protocol": "clips", **plain(self)}

    def tables(self) -> Tables:
        """Return a table of the verdict's figures, and one of the AUC of each check and baseline alone."""
        groups = list(self._groups())
        return {
            "Fakes against real clips": [_verdict_row(group) for group in groups],
            "ROC AUC of the verdict, of each check alone, and of baselines": [_check_row(group) for group in groups],
        }

    def notes(self) -> list[str]:
        """Return lines on how many clips were judged, on false alarms, and on what the columns mean."""
        alarms = self.false_alarms
        if math.isnan(alarms.value):
            told = "False alarms: unknown; no real clip has a p-value (see avsync calibrate)."
        else:
            interval = f"{alarms.value:.2f} [{alarms.low:.2f}–{alarms.high:.2f}]"
            told = f"False alarms: {interval} of the judged real clips, at level {self.settings.level:g}."
        return [
            self.real.told("real"),
            self.fake.told("fake"),
            told,
            "Each group of fakes is compared with all judged real clips. "
            "Intervals: 95 % bootstrap by person; too narrow if there are few people.",
            "bal. AP: average precision with both classes of the same weight. "
            "flagged: share of fakes with a suspicious verdict.",
            "leading silence, length: baselines that see no face (more silence, or a longer clip, is taken for fake); "
            "a detector that learns one reaches max(AUC, 1 - AUC).",
        ]

    def _groups(self) -> Iterator[Group]:
        """All fakes, the parts, then each type followed by its methods."""
        yield from (self.overall, *self.parts)
        for kind in self.types:
            yield from (kind, *(method for method in self.methods if method.type == kind.type))


def _verdict_row(group: Group) -> Row:
    return {
        "fakes": group.name,
        "judged": f"{group.judged}/{group.clips}",
        "people": group.identities,
        "AUC": group.auc,
        "AP": group.average_precision,
        "bal. AP": group.balanced_average_precision,
        "EER": group.equal_error_rate,
        "flagged": group.flagged,
    }


def _check_row(group: Group) -> Row:
    baselines = {name.replace("_", " "): figure for name, figure in group.baselines.items()}
    return {"fakes": group.name, "verdict": group.auc, **group.checks, **baselines}
