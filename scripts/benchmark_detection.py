"""Measure avsync on a data set of real and fake clips, such as FakeAVCeleb; nothing is trained.

    python scripts/benchmark_detection.py ROOT --output runs/benchmark

prints Markdown and writes the same figures to `detection.json`. Real clips of people who may calibrate a model are left
out wherever real clips are compared with fakes.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmark.bench import Bench
from benchmark.fakes import fakes
from benchmark.report import Tables, circumstances, to_markdown
from benchmark.robustness import frame_rate, silence
from benchmark.windows import lag, swapped_audio

from avsync.checkpoint import EMBEDDED
from avsync.errors import AvsyncError
from avsync.evaluate.json_files import write_json
from avsync.evaluate.table import to_plain

SECTIONS = {
    "swapped_audio": swapped_audio,
    "lag": lag,
    "fakes": fakes,
    "silence": silence,
    "frame_rate": frame_rate,
}


def main() -> None:
    """Run the chosen sections in their order; each is printed and kept as soon as it is done."""
    options = _options()
    try:
        bench = Bench(options.root, options.weights, options.output, options.windows)
        facts = {**circumstances(), "model": bench.detector.model, "weights_sha256": bench.detector.weights_sha256}
        print(", ".join(f"{name} {fact}" for name, fact in facts.items()), end="\n\n")
        for section in options.only:
            tables = SECTIONS[section](bench)
            print(to_markdown(tables), flush=True)
            _keep(bench, facts, tables)
    except AvsyncError as error:
        sys.exit(f"benchmark_detection: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure avsync on a data set of real and fake clips.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("--weights", type=Path, metavar="FILE", default=EMBEDDED, help="a calibrated checkpoint")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("runs/benchmark"), help="for the results")
    parser.add_argument(
        "--windows", type=int, metavar="N", help="at most so many windows of a clip in swapped_audio and lag"
    )
    parser.add_argument(
        "--only",
        type=_sections,
        metavar="NAME,…",
        default=list(SECTIONS),
        help=f"sections, of {', '.join(SECTIONS)} (default: all)",
    )
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    wanted = text.split(",")
    if unknown := [name for name in wanted if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"unknown section {', '.join(unknown)}; known: {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in wanted]


def _keep(bench: Bench, facts: dict[str, str], tables: Tables) -> None:
    """Write tables to `detection.json`, and keep those that the same checkpoint and code wrote before."""
    file = bench.folder / "detection.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    kept = before["tables"] if before.get("code") == bench.code else {}
    write_json(file, {**facts, "code": bench.code, "tables": {**kept, **to_plain(tables)}})


if __name__ == "__main__":
    main()
