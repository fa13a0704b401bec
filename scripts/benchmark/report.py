"""What the benchmarks print: tables, progress, and the machine they were measured on."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from avsync.evaluate.table import Row, Tables, to_markdown

__all__ = ["Row", "Tables", "circumstances", "say", "to_markdown"]


def say(what: str, done: int, total: int) -> None:
    """Print progress to standard error: on a terminal in one line, else at every quarter."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done}/{total}\x1b[K", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif done == total or done * 4 // total > (done - 1) * 4 // total:
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)


def circumstances() -> dict[str, str]:
    """Return the date, the machine and the versions that figures were measured with."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("avsync", "torch")},
    }


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
