"""JSON files with plain data: no NaN, and never half-written."""

import json
import math
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from avsync.files import write_whole


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
