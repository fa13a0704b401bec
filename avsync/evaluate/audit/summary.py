"""What an audit finds, as data, as tables and in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

from avsync.evaluate.audit.cues import ALL, LEVEL, THRESHOLD, Cue, Separation
from avsync.evaluate.audit.facts import Value
from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import Estimate
from avsync.evaluate.table import Row, Tables
from avsync.text import printable

SCHEMA = "avsync.audit/1"
_TOLD = 20  # at most so many broken files are named in words; JSON has all


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of a data set.

    Attributes:
        real, fake: how many clips were measured.
        identities: of how many people they are.
        refused: by name of the clip, why it was not measured.
        cues: the facts that differ between clips, the strongest first.
        same: the facts that are the same in all clips, or that no clip has.
        ceiling: how well all facts together separate all fakes (`all`), and those of each type.
    """

    real: int
    fake: int
    identities: int
    refused: dict[str, str]
    cues: list[Cue]
    same: list[str]
    ceiling: dict[str, Separation]

    @property
    def warnings(self) -> list[Cue]:
        """The cues that are shortcuts, the strongest first, whichever fakes they give away."""
        found = [cue for cue in self.cues if cue.warnings]
        return sorted(found, key=lambda cue: -max(group.auc.value for group in cue.warnings.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        warnings = [{"fact": cue.fact, "fakes": list(cue.warnings), "text": told(cue)} for cue in self.warnings]
        return {"schema": SCHEMA, "conclusion": self.conclusion(), "warnings": warnings, **plain(self)}

    def tables(self) -> Tables:
        """Return a table of all facts, and one of those that differ between types of fakes."""
        found: Tables = {}
        if self.cues:
            found["Facts that differ between clips, and how well they alone separate fakes from real clips"] = [
                _row(cue) for cue in self.cues
            ]
        by_type = [_type_row(cue) for cue in self.warnings if cue.types]
        if by_type:
            found["AUC of the warnings for each type of fakes"] = [
                *by_type,
                {"fact": "all facts together", **{name: group.auc for name, group in self.ceiling.items()}},
            ]
        return found

    def notes(self) -> list[str]:
        """Return lines for people: what was measured, what was found, what to do. Names and tags of files are safe."""
        return [printable(line) for line in (*self._measured(), *self._warned(), self.conclusion())]

    def conclusion(self) -> str:
        """Return what follows for whoever uses the data set, in a few sentences."""
        together = self.ceiling[ALL].auc
        if isnan(together.value):
            return "Too few people to say what all facts together tell."
        told = f"All facts together separate fakes from real clips with an AUC of {_told(together)} (shortcut ceiling)."
        if not self.ceiling[ALL].warns and not self.warnings:
            return f"{told} No shortcut was found: what a detector scores here, it does not owe to these facts."
        return (
            f"{told} A detector that scores no better than this may have learned nothing about faces or voices. Report "
            "this number beside its own, or remove the shortcuts above and audit again."
        )

    def beside(self) -> str:
        """Return a line to print beside what a detector reaches on the same clips."""
        groups = [(group.auc.value, cue.fact, name) for cue in self.warnings for name, group in cue.warnings.items()]
        joint = self.ceiling[ALL].auc
        together = "too few people to join them" if isnan(joint.value) else f"all facts together reach {_told(joint)}"
        if not groups:
            return f"Without a look at faces or voices: no fact of the files alone separates fakes; {together}."
        value, fact, name = max(groups)
        of = "" if name == ALL else f" for {name}"
        return f"Without a look at faces or voices: {fact} alone reaches an AUC of {value:.2f}{of}; {together}."

    def _measured(self) -> Iterator[str]:
        yield f"Measured {self.real} real clips and {self.fake} fakes of {self.identities} people."
        yield (
            "AUC: of a detector that knows only this fact, and on which side fakes are; 0.5 is chance. Intervals: 95 % "
            "bootstrap by person. p: the chance that a fact that tells nothing does so well, times all facts and types."
        )
        if self.refused:
            names = list(self.refused.items())
            more = f" and {len(names) - _TOLD} more (in audit.json)" if len(names) > _TOLD else ""
            yield (
                f"Not measured: {len(names)} clips: "
                + "; ".join(f"{name} ({why})" for name, why in names[:_TOLD])
                + f"{more}."
            )

    def _warned(self) -> Iterator[str]:
        for cue in self.warnings:
            yield f"Warning: {told(cue)}"
        weak = [cue for cue in self.cues if not cue.warnings and cue.all.auc.value >= THRESHOLD]
        if weak:
            names = ", ".join(f"{cue.fact} ({cue.all.auc.value:.2f})" for cue in weak)
            yield (
                f"May be chance, with this many people and facts (p > {LEVEL:g}): {names}. Audit more clips to know."
            )
        if self.same:
            yield f"The same in all clips, or in none: {', '.join(self.same)}."


def told(cue: Cue) -> str:
    """Return a warning in words, with what to do."""
    name, group = next(iter(cue.warnings.items()))
    others = [other for other in cue.warnings if other != name]
    fakes = "fakes" if name == ALL else f"fakes of the type {name}"
    return (
        f"{cue.fact}: {fakes} have {group.fakes_have} (real {_value(cue.typical_real, cue.unit)}, fake "
        f"{_value(group.typical, cue.unit)}); a detector that knows only this reaches an AUC of {group.auc.value:.2f}"
        + (f" (also tells {', '.join(others)}). " if others else ". ")
        + f"{cue.advice}."
    )


def _row(cue: Cue) -> Row:
    return {
        "fact": cue.fact,
        "real": _value(cue.typical_real, cue.unit),
        "fake": _value(cue.all.typical, cue.unit),
        "clips": cue.clips,
        "fakes have": cue.all.fakes_have,
        "AUC": cue.all.auc,
        "p": _p(cue.all.p_value),
        "warning": "yes" if cue.warnings else "",
    }


def _type_row(cue: Cue) -> Row:
    return {"fact": cue.fact, ALL: cue.all.auc, **{name: group.auc for name, group in cue.types.items()}}


def _p(value: float) -> str:
    return "–" if isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _value(value: Value, unit: str) -> str:
    if isinstance(value, str):
        return value if len(value) <= 30 else f"{value[:29]}…"
    return "–" if value is None else f"{value:.4g} {unit}".strip()


def _told(found: Estimate) -> str:
    return f"{found.value:.2f} [{found.low:.2f}–{found.high:.2f}]"
