"""Records of a run: JSON lines on disk, and tables of them in Markdown."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fuzzing.pool import FAULTS

Records = Sequence[dict[str, Any]]


def stored(path: Path) -> list[dict[str, Any]]:
    """The records of a file; a last line that a killed run left unfinished is dropped."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def faults(records: Records) -> list[str]:
    """A line for each fault, with the number of its input."""
    return [
        f"{record['seed']} {record['outcome']} ({record.get('said', 'being made')}): {record.get('detail')}"
        for record in records
        if record["outcome"] in FAULTS
    ]


def summary(records: Records) -> str:
    """Counts by outcome and family, the slowest inputs and the largest memory, in Markdown."""
    outcomes = Counter(record["outcome"] for record in records)
    families = sorted({record.get("family", "?") for record in records})
    lines = [f"| outcome | inputs | {' | '.join(families)} |", f"|---|---:|{'---:|' * len(families)}"]
    for outcome, number in outcomes.most_common():
        by = Counter(record.get("family", "?") for record in records if record["outcome"] == outcome)
        lines.append(f"| `{outcome}` | {number:,} | {' | '.join(f'{by[family]:,}' for family in families)} |")
    seconds = sorted(record.get("seconds", 0.0) for record in records)
    slowest = max(records, key=lambda record: float(record.get("seconds", 0.0)))
    largest = max(records, key=lambda record: record.get("mb", 0))
    lines += [
        "",
        f"{len(records):,} inputs; mean {sum(seconds) / len(seconds):.2f} s, median {seconds[len(seconds) // 2]:.2f} s,"
        f" 99th percentile {seconds[int(len(seconds) * 0.99)]:.2f} s",
        f"slowest: {seconds[-1]:.1f} s, seed {slowest['seed']} ({_told(slowest)})",
        f"largest memory: {largest.get('mb', 0):,} MB, seed {largest['seed']} ({_told(largest)})",
        f"faults: {sum(outcomes[fault] for fault in FAULTS)}",
    ]
    return "\n".join(lines)


def _told(record: dict[str, Any]) -> str:
    return f"{record.get('said', '?')[:80]}: {record['outcome']}"
