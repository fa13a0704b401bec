"""JSON files with plain data: no NaN, and never half-written."""

import json
import math
import os
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from avsync.files import write_whole

_BLOCK = 1 << 16  # bytes


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: data classes as dictionaries, numbers that are not finite as None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, data: Any) -> None:
    """Write plain data to a file. The file appears under its name only when it is complete."""
    write_whole(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def drop_torn_line(path: Path) -> None:
    """Cut the file after its last line break: a process that is killed while it writes leaves half a line."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            line_break = file.read(end - start).rfind(b"\n")
            if line_break >= 0:
                file.truncate(start + line_break + 1)
                return
            end = start
        file.truncate(0)
