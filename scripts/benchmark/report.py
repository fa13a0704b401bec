"""What a benchmark found: tables that are printed as Markdown and kept as JSON, and on what machine."""

import math
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from avsync.evaluate.metrics import Estimate

Cell = str | int | float | Estimate
Row = dict[str, Cell]  # by column; all rows of a table have the same columns
Tables = dict[str, list[Row]]  # by heading


def to_markdown(tables: Tables) -> str:
    """Each table under its heading; figures with their 95 % intervals."""
    return "\n".join(f"## {heading}\n\n{_table(rows)}\n" for heading, rows in tables.items())


def to_plain(tables: Tables) -> dict[str, Any]:
    """The same for JSON; what is not known is null."""
    return {
        heading: [{name: _plain(cell) for name, cell in row.items()} for row in rows]
        for heading, rows in tables.items()
    }


def say(what: str, done: int, total: int) -> None:
    """Tell standard error how far something is: on a terminal in one line, else every quarter."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done}/{total}\x1b[K", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif done == total or done * 4 // total > (done - 1) * 4 // total:
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)


def circumstances() -> dict[str, str]:
    """The date, the machine and the versions that figures are of."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("avsync", "torch")},
    }


def _table(rows: list[Row]) -> str:
    numeric = [not isinstance(cell, str) for cell in rows[0].values()]
    lines: list[Iterable[str]] = [rows[0], ("---:" if number else "---" for number in numeric)]
    lines += [map(_text, row.values()) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(cell: Cell) -> str:
    if isinstance(cell, Estimate):
        return "–" if math.isnan(cell.value) else f"{cell.value:.3f} [{cell.low:.3f}–{cell.high:.3f}]"
    if isinstance(cell, float):
        return "–" if math.isnan(cell) else f"{cell:.3g}"
    return str(cell).replace("|", r"\|")


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Estimate):
        return {name: _plain(value) for name, value in asdict(cell).items()}
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
