"""Tables of figures: on the terminal, in Markdown, and as plain data."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import Estimate
from avsync.text import printable

Cell = str | int | float | Estimate
Row = dict[str, Cell]  # by column; all rows of a table have the same columns
Tables = dict[str, list[Row]]  # by heading; no table is empty

# A row whose first cell begins so belongs to the last row without it.
INDENT = "· "
# What LaTeX writes otherwise.
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "·": r"\textperiodcentered{}",
}
# On a narrower terminal columns would lose digits; the terminal breaks the lines instead.
_WIDTH = 120


def print_tables(tables: Tables, notes: Sequence[str] = (), file: TextIO | None = None) -> None:
    """Print each table under its heading, and the notes, to standard output or to `file`."""
    console = Console(file=file, highlight=False)
    console.width = max(console.width, _WIDTH)
    for heading, rows in tables.items():
        console.print(Text(heading))
        console.print(_rich_table(rows))
    for line in notes:
        console.print(Text(line), soft_wrap=True)


def to_markdown(tables: Tables) -> str:
    """Return each table under its heading as Markdown; estimates with their 95 % intervals."""
    return "\n".join(f"## {heading}\n\n{_markdown_table(rows)}\n" for heading, rows in tables.items())


def to_latex(tables: Tables) -> str:
    """Return each table as a LaTeX table with its heading as the caption; it needs the package booktabs."""
    return "\n".join(_latex_table(heading, rows) for heading, rows in tables.items())


def to_plain(tables: Tables) -> dict[str, Any]:
    """Return the tables as plain data for JSON; unknown numbers are None."""
    return {heading: [plain(row) for row in rows] for heading, rows in tables.items()}


def _rich_table(rows: Sequence[Row]) -> Table:
    first, *others = rows[0]
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    for index, row in enumerate(rows):
        cells = [
            Text(printable(cell) if isinstance(cell, str) else _text(cell, "{:.2f}", "\n{:.2f}–{:.2f}"))
            for cell in row.values()
        ]
        if index and not cells[0].plain.startswith(INDENT):
            table.add_section()
        table.add_row(*cells)
    return table


def _markdown_table(rows: Sequence[Row]) -> str:
    numeric = [not isinstance(cell, str) for cell in rows[0].values()]
    lines: list[Iterable[str]] = [rows[0], ("---:" if number else "---" for number in numeric)]
    lines += [(_text(cell, "{:.3f}", " [{:.3f}–{:.3f}]") for cell in row.values()) for row in rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _latex_table(heading: str, rows: Sequence[Row]) -> str:
    columns = "".join("l" if isinstance(cell, str) else "r" for cell in rows[0].values())
    lines = [rows[0], *([_text(cell, "{:.3f}", " [{:.3f}–{:.3f}]") for cell in row.values()] for row in rows)]
    header, *body = (" & ".join(map(_latex, line)) + r" \\" for line in lines)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_latex(heading)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            header,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex(text: str) -> str:
    indented = text.startswith(INDENT)
    written = "".join(_LATEX.get(character, character) for character in printable(text.removeprefix(INDENT)))
    if written.startswith("["):  # the end of the line before would take it for its argument
        written = "{}" + written
    return rf"\quad {written}" if indented else written


def _escaped(text: str) -> str:
    return printable(text).replace("|", r"\|")


def _text(cell: Cell, value: str, interval: str) -> str:
    """Return a cell as text. `value` and `interval` format an estimate and its two bounds."""
    if isinstance(cell, Estimate):
        if math.isnan(cell.value):
            return "–"
        return value.format(cell.value) + interval.format(cell.low, cell.high).replace("–-", " to -")
    if isinstance(cell, float):
        return "–" if math.isnan(cell) else f"{cell:.3g}"
    return str(cell)
