"""Measure what isolation costs for one file, and what two jobs gain with many; prints Markdown.

    python scripts/benchmark_isolation.py

One file: `avsync score`, and the same in one process (the Python API and the same table), by turns. Many files:
`avsync score` of one clip under many names, with --jobs 1 and --jobs 2, by turns.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmark.report import Row, circumstances, to_markdown

from avsync.demo import make_clips

_SCORE = "from avsync.cli import main; main()"
_IN_PROCESS = """
import sys
from avsync.cli import command_line
from avsync.detector import Detector
from avsync.report import print_table, print_verdict
verdict = Detector().score(sys.argv[1])
print_verdict(verdict)
print_table([verdict])
"""


def main() -> None:
    """Measure, and print a table for one file and one for many."""
    options = _options()
    print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n", flush=True)
    with TemporaryDirectory() as folder:
        clip, _ = make_clips(Path(folder), seconds=options.seconds)
        many = Path(folder) / "many"
        many.mkdir()
        for number in range(options.clips):
            os.link(clip, many / f"{number:03}.mp4")
        alone = {"in one process": [_IN_PROCESS, clip], "isolated": [_SCORE, "score", clip]}
        several = {f"--jobs {jobs}": [_SCORE, "score", many, "--jobs", jobs] for jobs in (1, 2)}
        one, all_of_them = _by_turns(alone, options.runs), _by_turns(several, options.many_runs)
    base, most = one["in one process"], all_of_them["--jobs 1"]
    rows: list[Row] = [{"one file": n, "seconds": s, "more (s)": s - base} for n, s in one.items()]
    shares: list[Row] = [{f"{options.clips} clips": n, "seconds": s, "share": s / most} for n, s in all_of_them.items()]
    print(to_markdown({"One file": rows, "Many files": shares}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what isolation costs, and what two jobs gain.")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a clip (default: 4)")
    parser.add_argument("--clips", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--runs", type=int, default=7, help="of one file; medians are reported (default: 7)")
    parser.add_argument("--many-runs", type=int, default=1, help="of many files (default: 1)")
    return parser.parse_args()


def _by_turns(commands: Mapping[str, Sequence[object]], runs: int) -> dict[str, float]:
    """Return the median seconds of each command. They take turns, so that a busy minute meets all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, words in commands.items():
            start = perf_counter()
            subprocess.run([sys.executable, "-c", *map(str, words)], stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(perf_counter() - start)
    return {name: median(found) for name, found in seconds.items()}


if __name__ == "__main__":
    main()
