"""Verdicts on the terminal: a line as soon as a file is done, a table of all faces at the end.

A name of a file is never broken or cut: where the table is too wide for the terminal, each file gets a block instead.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsync.report.subjects import Subject, check_names, rows
from avsync.report.wording import LABELS, details, p_cells, sentence, spans, subject_cells, unanswered, values
from avsync.score.verdict import Verdict
from avsync.text import printable

_STYLES = {"consistent": "green", "suspicious": "bold red", "measured": "cyan", "cannot_judge": "yellow"}
_NUMBERS = ("face", "seen", "speech", "lag")
_WIDTH = 105  # of the table in a pipe or a file, where no line is too long
_PIECE = 10  # characters of a segment, with its comma, that stay in one line
_DECISIVE = "* the face that decides the verdict"
_GAP = 2  # spaces between two values in a line of a block


def print_verdict(verdict: Verdict, file: TextIO | None = None) -> None:
    """Print the verdict in one line, to standard output or to `file`.

    Checks that have no answer, and warnings, follow with a line each.
    """
    console = Console(file=file)
    # Text, not str: a file name is never markup.
    line = Text.assemble(f"{printable(verdict.path)}: ", _label(verdict), f" — {sentence(verdict)}")
    console.print(line, soft_wrap=True)
    for note in (*unanswered(verdict), *(f"warning: {printable(warning)}" for warning in verdict.warnings)):
        console.print(Text(f"  {note}"), soft_wrap=True)
    console.file.flush()


def print_details(verdict: Verdict, seconds: float | None = None, file: TextIO | None = None) -> None:
    """Print, below the line of `print_verdict`, what was read and every reading; `seconds`: the time that it took."""
    console = Console(file=file)
    for line in details(verdict):
        console.print(Text(f"  {line}"), soft_wrap=True)
    if seconds is not None:
        console.print(Text(f"  took {seconds:.1f} s"), soft_wrap=True)
    console.file.flush()


def print_table(verdicts: Sequence[Verdict], file: TextIO | None = None) -> None:
    """Print a row for every face of every file, to standard output or to `file`.

    On a terminal that is too narrow for the rows, their cells are in lines below the name of the file.
    """
    console = Console(file=file)
    table, width = _table(console, verdicts)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH, width)
    if width <= console.width:
        console.print(table)
    else:
        _print_blocks(console, verdicts)
    console.file.flush()


def _table(console: Console, verdicts: Sequence[Verdict]) -> tuple[Table, int]:
    """Return the table, and the least width in which every cell but those of the last column stays in one line."""
    several = any(len(rows(verdict)) > 1 for verdict in verdicts)
    caption = Text(_DECISIVE) if several else None
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    for name in ("file", "verdict"):
        table.add_column(name, no_wrap=True)
    measured = _are_measured(verdicts)
    checks = check_names(verdicts)
    numbers = _NUMBERS if measured else (*_NUMBERS, *(f"p {printable(name)}" for name in checks), "p")
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    cells = [row for verdict in verdicts for row in _rows(verdict, None if measured else checks, len(numbers))]
    pieces = [cell_len(piece) for row in cells for piece in row[-1].plain.split(", ")]
    least = max(_PIECE, *(1 + length for length in pieces))
    table.add_column("readings" if measured else "segments", overflow="fold", min_width=least)
    for row in cells:
        table.add_row(*row)
    longest = max((cell_len(row[-1].plain) for row in cells), default=0)
    wide = console.options.update(width=10_000)
    return table, console.measure(table, options=wide).maximum - max(0, longest - least)


def _rows(verdict: Verdict, checks: Sequence[str] | None, numbers: int) -> Iterator[list[Text]]:
    """Yield the rows of a file; `checks` None: readings in place of p-values and segments."""
    head = [Text(printable(Path(verdict.path).name)), Text(*_label(verdict))]
    shown = rows(verdict)
    for subject in shown:
        last = (values(subject),) if checks is None else (*p_cells(verdict, subject, checks), spans(subject.segments))
        yield [*head, *map(Text, (*subject_cells(subject, marked=len(shown) > 1), *last))]
        head = [Text(), Text()]
    if not shown:
        yield [*head, *map(Text, ("–",) * (numbers + 1))]


def _print_blocks(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print the same without columns: the name of each file in a line of its own, which the terminal itself breaks."""
    measured, checks = _are_measured(verdicts), check_names(verdicts)
    for verdict in verdicts:
        console.print()
        console.print(Text(printable(Path(verdict.path).name)), soft_wrap=True)
        console.print(Text.assemble("  ", _label(verdict)))
        shown = rows(verdict)
        for subject in shown:
            marked = len(shown) > 1
            for named in _block(verdict, subject, None if measured else checks, marked=marked):
                for line in _filled([f"{name} {value}" for name, value in named if value != "–"], console.width):
                    console.print(Text(f"  {line}"))
    if any(len(rows(verdict)) > 1 for verdict in verdicts):
        console.print(Text(f"\n{_DECISIVE}"))


def _block(
    verdict: Verdict, subject: Subject, checks: Sequence[str] | None, *, marked: bool
) -> Iterator[list[tuple[str, str]]]:
    """Yield the cells of a row with the names of their columns, in groups that begin a line each."""
    _, *places = zip(_NUMBERS, subject_cells(subject, marked=marked), strict=True)
    yield [("*" if marked and subject.decisive else "", subject.name), *places]
    if checks is None:
        yield [("", value) for value in values(subject).split(", ")]
        return
    yield list(zip((*(f"p {printable(name)}" for name in checks), "p"), p_cells(verdict, subject, checks), strict=True))
    if subject.segments:
        first, *others = spans(subject.segments).split(", ")
        yield [("segments", first), *(("", other) for other in others)]


def _filled(words: Sequence[str], width: int) -> Iterator[str]:
    """Yield lines with as many of these words as fit beside an indent, none of them broken."""
    line = ""
    for word in map(str.strip, words):
        longer = f"{line}{' ' * _GAP if line else ''}{word}"
        if line and cell_len(longer) + _GAP > width:
            yield line
            longer = word
        line = longer
    if line:
        yield line


def _label(verdict: Verdict) -> tuple[str, str]:
    return LABELS[verdict.verdict], _STYLES[verdict.verdict]


def _are_measured(verdicts: Sequence[Verdict]) -> bool:
    """Whether there are readings but no p-values: then that is so of all files that were judged."""
    return any(verdict.verdict == "measured" for verdict in verdicts)
