"""Verdicts on the terminal: a line as soon as a file is done, a table of all faces at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsync.report.subjects import Subject, check_names, subjects
from avsync.report.wording import LABELS, not_asked, p_cells, sentence, spans, subject_cells, values
from avsync.score.verdict import Verdict
from avsync.text import printable

_STYLES = {"consistent": "green", "suspicious": "bold red", "measured": "cyan", "cannot_judge": "yellow"}
_NUMBERS = ("face", "seen", "speech", "lag")
# Narrower tables would cut columns off; the terminal breaks longer lines itself.
_WIDTH = 105
_NAME, _SEGMENT = 12, 10  # characters of a file's name, and of a segment, that stay in one line


def print_verdict(verdict: Verdict, file: TextIO | None = None) -> None:
    """Print the verdict in one line, to standard output or to `file`.

    Checks that were not asked, and warnings, follow with a line each.
    """
    console = Console(file=file)
    # Text, not str: a file name is never markup.
    label = (LABELS[verdict.verdict], _STYLES[verdict.verdict])
    line = Text.assemble(f"{printable(verdict.path)}: ", label, f" — {sentence(verdict)}")
    console.print(line, soft_wrap=True)
    for note in (*not_asked(verdict), *(f"warning: {printable(warning)}" for warning in verdict.warnings)):
        console.print(Text(f"  {note}"), soft_wrap=True)
    console.file.flush()


def print_table(verdicts: Sequence[Verdict], file: TextIO | None = None) -> None:
    """Print a row for every face of every file, to standard output or to `file`."""
    console = Console(file=file)
    console.width = max(console.width, _WIDTH)
    shown = [_shown(verdict) for verdict in verdicts]
    several = any(len(rows) > 1 for rows in shown)
    caption = Text("* the face that decides the verdict") if several else None
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    longest = max((len(Path(verdict.path).name) for verdict in verdicts), default=0)
    table.add_column("file", overflow="fold", min_width=min(longest, _NAME))
    table.add_column("verdict", no_wrap=True)
    measured = any(verdict.verdict == "measured" for verdict in verdicts)  # then all with a score are
    checks = check_names(verdicts)
    numbers = _NUMBERS if measured else (*_NUMBERS, *(f"p {printable(name)}" for name in checks), "p")
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    table.add_column("readings" if measured else "segments", overflow="fold", min_width=_SEGMENT)
    for verdict, subjects_shown in zip(verdicts, shown, strict=True):
        head = [Text(printable(Path(verdict.path).name)), Text(LABELS[verdict.verdict], _STYLES[verdict.verdict])]
        marked = len(subjects_shown) > 1
        rows = [_row(subject, None if measured else checks, marked=marked) for subject in subjects_shown]
        for cells in rows or [("–",) * (len(numbers) + 1)]:
            table.add_row(*head, *map(Text, cells))
            head = [Text(), Text()]
    console.print(table)
    console.file.flush()


def _shown(verdict: Verdict) -> list[Subject]:
    """The faces; and the recording, whose p-values the faces repeat, if it decides or has segments of its own."""
    return [
        subject for subject in subjects(verdict) if subject.face is not None or subject.decisive or subject.segments
    ]


def _row(subject: Subject, checks: Sequence[str] | None, *, marked: bool) -> tuple[str, ...]:
    """Return the cells of one row; `checks` None: readings in place of p-values and segments."""
    last = (values(subject),) if checks is None else (*p_cells(subject, checks), spans(subject.segments))
    return (*subject_cells(subject, marked=marked), *last)
