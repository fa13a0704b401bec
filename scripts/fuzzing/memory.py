"""The largest memory of processes, on Linux; 0 elsewhere."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def forget_peak(process: int) -> None:
    """Start anew to measure the largest memory of a process and of those it started."""
    for number in _family(process):
        with suppress(OSError):
            Path(f"/proc/{number}/clear_refs").write_text("5")


def peak_mb(process: int) -> int:
    """The largest resident memory of a process, or of one that it started, since it was last forgotten (MB)."""
    return max(map(_peak_mb, _family(process)), default=0)


def _peak_mb(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) >> 10
    return 0


def _family(process: int) -> Iterator[int]:
    yield process
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208
            with suppress(OSError):
                for child in Path(f"/proc/{process}/task/{thread}/children").read_text().split():
                    yield from _family(int(child))
