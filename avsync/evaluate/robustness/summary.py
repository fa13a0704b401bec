"""The figures of robustness, as data and as tables."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

from avsync.evaluate import table
from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import UNKNOWN, Estimate
from avsync.evaluate.protocols.common import Coverage
from avsync.evaluate.results import Settings

SCHEMA = "avsync.robustness/1"
_NAMED = 5  # clips that could not be manipulated, in the notes


@dataclass(frozen=True, slots=True)
class Failure:
    """A clip that a manipulation could not be made of, and why."""

    clip: str
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """A manipulation.

    Attributes:
        manipulation, kind, strength: what is done, and to what: "picture", "sound" or "both".
        real, fake: how many copies there are, how many are judged, and why the others are not.
        false_alarms: the share of judged real copies whose verdict is suspicious.
        auc: fakes against real clips, both manipulated.
        checks: by check, the AUC of its own `anomaly_score`, on the clips where it has one.
        compared: the real clips that have an `anomaly_score` before and after.
        mean_drift: the mean change of their scores, in standard deviations over real clips as they are.
        mean_absolute_drift, percentile_90_absolute_drift: of its size.
        failures: the clips without a copy.
    """

    manipulation: str
    kind: str
    strength: str
    real: Coverage
    fake: Coverage
    false_alarms: Estimate
    auc: Estimate
    checks: dict[str, Estimate]
    compared: int
    mean_drift: float
    mean_absolute_drift: float
    percentile_90_absolute_drift: float
    failures: list[Failure]

    @property
    def refused(self) -> dict[str, int]:
        """How many real and fake copies are refused, by reason, the most frequent first."""
        return dict((Counter(self.real.refused) + Counter(self.fake.refused)).most_common())


@dataclass(frozen=True, slots=True)
class Monotony:
    """How well a score follows the share of foreign speech.

    Attributes:
        score: "verdict", or the check whose `anomaly_score` it is.
        judged: the clips that have it at every share.
        rho: Spearman's rank correlation of share and score, mean over clips; 0 for a score that does not move.
        monotone: the share of clips whose score never falls when the share rises.
    """

    score: str
    judged: int
    rho: Estimate
    monotone: Estimate


@dataclass(frozen=True, slots=True)
class MixedShare:
    """Real clips with one share of their own speech.

    Attributes:
        own: the share.
        clips, judged: how many there are, and how many have a p-value.
        probability: the mean probability of a fake at even odds (`avsync.evaluate.reliability`).
        suspicious: the share of suspicious verdicts.
    """

    own: float
    clips: int
    judged: int
    probability: Estimate
    suspicious: Estimate


@dataclass(frozen=True, slots=True)
class Mixing:
    """The mixing test.

    Attributes:
        mixed_with: whose speech is added.
        clips: how many real clips were mixed.
        scores: of the verdict and of each check.
        shares: the ten shares, that of the own speech rising.
        failures: the clips that could not be mixed.
    """

    mixed_with: str
    clips: int
    scores: list[Monotony]
    shares: list[MixedShare]
    failures: list[Failure]


@dataclass(frozen=True, slots=True)
class RobustnessSummary:
    """The figures of a data set.

    Attributes:
        suite: "quick" or "full".
        settings: what the verdicts were made with.
        identities: how many people there are.
        deviation: the standard deviation of the `anomaly_score` of real clips as they are; drift is in units of it.
            NaN if they have none, or all the same.
        rows: the clips as they are, then each manipulation.
        mixing: the mixing test, by whose speech is added.
    """

    suite: str
    settings: Settings
    identities: int
    deviation: float
    rows: list[Row]
    mixing: list[Mixing]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, **plain(self)}

    def to_csv(self) -> str:
        """Return a CSV table with a row for each manipulation, floats with all digits; unknown numbers are empty."""
        text = StringIO()
        rows = [_csv_row(row) for row in self.rows]
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def tables(self) -> table.Tables:
        """Return the table of manipulations, that of the checks, and two for each mixing test."""
        found: table.Tables = {
            "Robustness": [_row(row) for row in self.rows],
            "Robustness: ROC AUC of the verdict, and of each check alone": [self._check_row(row) for row in self.rows],
        }
        for mixing in self.mixing:
            found[f"Real speech mixed with {mixing.mixed_with}: does the score follow?"] = [
                {
                    "score of": one.score,
                    "clips": f"{one.judged}/{mixing.clips}",
                    "Spearman's rho": one.rho,
                    "monotone": one.monotone,
                }
                for one in mixing.scores
            ]
            found[f"Real speech mixed with {mixing.mixed_with}, by share"] = [
                {
                    "own speech": f"{one.own:.2f}",
                    "judged": f"{one.judged}/{one.clips}",
                    "probability at even odds": one.probability,
                    "suspicious": one.suspicious,
                }
                for one in mixing.shares
            ]
        return found

    def notes(self) -> list[str]:
        """Return lines that explain the tables, and name clips that could not be manipulated."""
        return [
            f"false alarms: suspicious verdicts on judged real clips, at level {self.settings.level:g}. AUC: fakes "
            "against real clips, both manipulated. Intervals: 95 % bootstrap by person.",
            "drift: change of a real clip's anomaly score, in standard deviations over real clips as they are: its "
            "mean, the mean of its size, and the 90th percentile of its size.",
            *self._failures(),
        ]

    def _check_row(self, row: Row) -> table.Row:
        checks = dict.fromkeys(name for one in self.rows for name in one.checks)
        return {
            "manipulation": row.manipulation,
            "verdict": row.auc,
            **{name: row.checks.get(name, UNKNOWN) for name in checks},
        }

    def _failures(self) -> Iterator[str]:
        parts = [(row.manipulation, row.failures) for row in self.rows]
        parts += [(f"mixing with {mixing.mixed_with}", mixing.failures) for mixing in self.mixing]
        for name, failures in parts:
            if failures:
                named = "; ".join(f"{failure.clip}: {failure.why}" for failure in failures[:_NAMED])
                more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
                yield f"{name}: {len(failures)} clips could not be manipulated: {named}{more}."


def _row(row: Row) -> table.Row:
    return {
        "manipulation": row.manipulation,
        "real": f"{row.real.judged}/{row.real.clips}",
        "fake": f"{row.fake.judged}/{row.fake.clips}",
        "false alarms": row.false_alarms,
        "AUC": row.auc,
        "drift": _two_digits(row.mean_drift),
        "|drift|": _two_digits(row.mean_absolute_drift),
        "90 %": _two_digits(row.percentile_90_absolute_drift),
        "refused": ", ".join(f"{reason} {count}" for reason, count in row.refused.items()) or "–",
    }


def _two_digits(value: float) -> float:
    return round(value, 2) + 0.0  # no -0


def _csv_row(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"manipulation": row.manipulation, "kind": row.kind, "strength": row.strength}
    for label, of in (("real", row.real), ("fake", row.fake)):
        refused = ";".join(f"{reason}:{count}" for reason, count in of.refused.items())
        found |= {f"{label}_clips": of.clips, f"{label}_judged": of.judged, f"{label}_refused": refused}
    for name, figure in (("false_alarms", row.false_alarms), ("auc", row.auc)):
        found |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    found |= {
        "compared": row.compared,
        "mean_drift": row.mean_drift,
        "mean_absolute_drift": row.mean_absolute_drift,
        "percentile_90_absolute_drift": row.percentile_90_absolute_drift,
        "not_manipulated": len(row.failures),
    }
    return {name: plain(cell) for name, cell in found.items()}
