"""What a command takes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """What a command took: seconds, seconds of the processor (of all cores together), and peak memory (bytes).

    The memory is that of its largest process.
    """

    seconds: float
    processor: float
    memory: float


def measure(command: list[str], folder: Path | None = None) -> Measured:
    """What a command takes, started in `folder`."""
    outer = [sys.executable, str(Path(__file__).with_name("measure.py")), *command]
    run = subprocess.run(outer, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    return Measured(*json.loads(run.stdout))
