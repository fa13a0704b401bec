"""The summary for people: a table on the terminal, or in Markdown."""

import math
from collections.abc import Iterator
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsync.evaluate.metrics import Estimate
from avsync.evaluate.summary import Coverage, Group, Summary

_COLUMNS = ("fakes", "judged", "people", "AUC", "AP", "bal. AP", "EER", "flagged", "silence", "length")
_FIGURE = "{:.2f} [{:.2f}–{:.2f}]"
_NOTES = (
    "Each group of fakes stands against all judged real clips. "
    "Intervals: 95 % bootstrap by person, too narrow where people are few.",
    "bal. AP: average precision, both classes weighing the same. flagged: share of fakes called suspicious.",
    "silence, length: AUC of shortcuts that see no face (more leading silence, or longer, is fake); "
    "a detector that learns one gets max(AUC, 1 - AUC).",
)
# Below this width figures would be cut off: better that the terminal breaks the lines.
_WIDTH = 120


def print_summary(summary: Summary, file: TextIO | None = None) -> None:
    """Print the summary to standard output, or to `file`."""
    console = Console(file=file)
    console.width = max(console.width, _WIDTH)
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(_COLUMNS[0], overflow="fold")
    for name in _COLUMNS[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for section in _sections(summary, "{:.2f}\n{:.2f}–{:.2f}"):
        for row in section:
            table.add_row(*map(Text, row))
        table.add_section()
    console.print(table)
    for line in (*_counts(summary), *_NOTES):
        console.print(Text(line), soft_wrap=True)


def to_markdown(summary: Summary) -> str:
    """The summary as a Markdown table and the lines that belong to it."""
    rows: list[tuple[str, ...]] = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1))]
    rows += [row for section in _sections(summary, _FIGURE) for row in section]
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    table = "\n".join(f"| {line} |" for line in lines)
    notes = "\n".join(f"- {line}" for line in (*_counts(summary), *_NOTES))
    return f"{table}\n\n{notes}\n"


def _sections(summary: Summary, form: str) -> Iterator[list[tuple[str, ...]]]:
    """Rows of all fakes; then of each type, followed by its methods. `form` is for a figure and its interval."""
    yield [_row("all", summary.overall, form)]
    for kind in summary.types:
        methods = [group for group in summary.methods if group.type == kind.type]
        yield [_row(kind.type, kind, form), *(_row(f"· {m.method}", m, form) for m in methods)]


def _row(name: str, group: Group, form: str) -> tuple[str, ...]:
    estimates = (
        group.auc,
        group.average_precision,
        group.balanced_average_precision,
        group.equal_error_rate,
        group.flagged,
        group.leading_silence_auc,
        group.duration_auc,
    )
    figures = (_figure(estimate, form) for estimate in estimates)
    return (name, f"{group.judged}/{group.clips}", str(group.identities), *figures)


def _counts(summary: Summary) -> Iterator[str]:
    yield _covered("real", summary.real)
    yield _covered("fake", summary.fake)
    if math.isnan(summary.false_alarms.value):
        yield "False alarms: not known, since no real clip was called anything (see avsync calibrate)."
    else:
        alarms = _figure(summary.false_alarms, _FIGURE)
        yield f"False alarms: {alarms} of the judged real clips, at level {summary.settings.level:g}."


def _covered(label: str, coverage: Coverage) -> str:
    refused = ", ".join(f"{reason} {count}" for reason, count in coverage.refused.items())
    return f"Judged {coverage.judged} of {coverage.clips} {label} clips; refused: {refused or 'none'}."


def _figure(estimate: Estimate, form: str) -> str:
    known = not math.isnan(estimate.value)
    return form.format(estimate.value, estimate.low, estimate.high) if known else "–"
