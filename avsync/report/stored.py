"""Verdicts of reports that were written before."""

import json
from pathlib import Path
from typing import Any

from avsync.errors import UsageError
from avsync.score.verdict import Verdict

SUFFIXES = (".json", ".jsonl")


def read_verdicts(path: Path) -> list[Verdict]:
    """Read the verdicts of a report, `.json` or `.jsonl`, in their order.

    Raises:
        UsageError: it cannot be read, or is no such report of this version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path}: cannot be read ({reason})") from error
    try:
        plain: list[Any]
        if path.suffix.lower() == ".jsonl":
            plain = [json.loads(line) for line in text.splitlines()]
        else:
            plain = json.loads(text)["verdicts"]
        return [Verdict.from_dict(verdict) for verdict in plain]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path}: is no report of this version of avsync; write one with avsync score") from error
