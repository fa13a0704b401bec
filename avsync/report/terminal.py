"""Verdicts on the terminal: a line as soon as a file is done, a table of all faces at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsync.report.wording import LABELS, p_cells, printable, sentence, span, spans, values
from avsync.score.verdict import TrackVerdict, Verdict

_STYLES = {"consistent": "green", "suspicious": "bold red", "measured": "cyan", "cannot_judge": "yellow"}
_NUMBERS = ("face", "seen", "speech", "lag")
_SHARES = ("p lips", "p face", "p")
# Below this width columns would be cut off: better that the terminal breaks the lines.
_WIDTH = 100


def print_verdict(verdict: Verdict, file: TextIO | None = None) -> None:
    """Print the one-line verdict, and its warnings below, to standard output or to `file`."""
    console = Console(file=file)
    # Text, not str: a file name is never markup.
    label = (LABELS[verdict.verdict], _STYLES[verdict.verdict])
    line = Text.assemble(f"{printable(verdict.path)}: ", label, f" — {sentence(verdict)}")
    console.print(line, soft_wrap=True)
    for warning in verdict.warnings:
        console.print(Text(f"  warning: {printable(warning)}"), soft_wrap=True)
    console.file.flush()


def print_table(verdicts: Sequence[Verdict], file: TextIO | None = None) -> None:
    """Print a row for every face of every file, to standard output or to `file`."""
    console = Console(file=file)
    console.width = max(console.width, _WIDTH)
    several = any(len(verdict.tracks) > 1 for verdict in verdicts)
    caption = Text("* the face the verdict rests on") if several else None
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("file", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    measured = any(verdict.verdict == "measured" for verdict in verdicts)  # then all are that have faces
    numbers = _NUMBERS if measured else (*_NUMBERS, *_SHARES)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("readings" if measured else "odd passages", overflow="fold")
    for verdict in verdicts:
        head = [Text(printable(Path(verdict.path).name)), Text(LABELS[verdict.verdict], _STYLES[verdict.verdict])]
        for cells in _rows(verdict) or [("–",) * (len(numbers) + 1)]:
            table.add_row(*head, *map(Text, cells))
            head = [Text(), Text()]
    console.print(table)
    console.file.flush()


def _rows(verdict: Verdict) -> list[tuple[str, ...]]:
    several = len(verdict.tracks) > 1
    return [_row(track, marked=several and track.track == verdict.rests_on) for track in verdict.tracks]


def _row(track: TrackVerdict, *, marked: bool) -> tuple[str, ...]:
    return (
        f"{'* ' if marked else ''}{track.track}",
        span(track.start, track.end),
        f"{track.speech_seconds:.1f} s",
        f"{round(track.lag_ms):+d} ms",
        *((*p_cells(track), spans(track.segments)) if track.aspects else (values(track),)),
    )
