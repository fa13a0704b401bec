"""Measure how the cost of an audit, of scoring and of packing grows with the number of clips; prints Markdown.

    python scripts/benchmark_scale.py
    python scripts/benchmark_scale.py --stages audit --sizes 100 1000 10000

The clips are talking photographs of 2 s and 224×224 pixels, as large as those of VoxCeleb2, and copies of them. No copy
has the content of another: a number follows in a box that players skip, so that nothing that is known by its content is
taken over from one to the next.

`pack` decodes, finds faces and packs; `train` packs and reads what is extracted already, of clips that all have the
features of one. Seconds of the processor are those of all processes together; on a machine that does other work too,
they are steadier than seconds by the clock.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from benchmark.commands import Measured, measure
from benchmark.report import Row, Tables, circumstances, say, to_markdown
from numpy.typing import NDArray

from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.media import write_clip

_SECONDS, _SIDE, _CRF = 2.0, 224, 28
_TALKERS = 8  # clips that differ in more than the number at their end
_PER_PERSON = 10
_HERE = Path(__file__).resolve().parent / "benchmark"


def main() -> None:
    """Measure stage after stage, and print a table of each."""
    options = _options()
    print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="avsync-scale-", dir=options.folder) as name:
        folder = Path(name)
        talkers = list(_talkers(folder / "talkers"))
        for stage in options.stages:
            measure = _STAGES[stage]
            rows = [row for size in options.sizes for row in measure(folder / f"{stage}-{size}", talkers, size)]
            tables: Tables = {f"{stage}: clips of {_SECONDS:g} s and {_SIDE}×{_SIDE} pixels": _grown(rows)}
            print(to_markdown(tables), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how the cost of many clips grows.")
    parser.add_argument("--stages", nargs="+", choices=_STAGES, default=list(_STAGES), help="default: all")
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1000, 10_000], help="numbers of clips")
    parser.add_argument("--folder", type=Path, help="for clips and results, removed at the end (100 kB a clip)")
    return parser.parse_args()


def _talkers(folder: Path) -> Iterator[bytes]:
    """The clips that are copied."""
    for seed in range(_TALKERS):
        own, path = speak(_SECONDS, seed), folder / f"{seed}.mp4"
        write_clip(path, map(_small, talk(own.opening, own.width, seed)), own.waveform, crf=_CRF)
        say("making clips", seed + 1, _TALKERS)
        yield path.read_bytes()


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(_SIDE, _SIDE)
    return frame.to_ndarray(format="rgb24").astype(np.uint8)


def _copy(talkers: list[bytes], number: int, path: Path) -> None:
    """A clip with a box of its own at the end (ISO/IEC 14496-12, `free`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    box = (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
    path.write_bytes(talkers[number % len(talkers)] + box)


def _audit(folder: Path, talkers: list[bytes], size: int) -> list[Row]:
    """Half of the clips are called fake. The second run finds all facts stored."""
    for number in range(size):
        side = ("real", "fake")[number % 2]
        _copy(talkers, number, folder / side / f"p{number // _PER_PERSON}" / f"{number}.mp4")
    sides = ["--real", str(folder / "real"), "--fake", str(folder / "fake")]
    command = ["audit", *sides, "--output", str(folder / "audit")]
    return [_row(f"audit{again}", size, _measured(command)) for again in ("", ", again")]


def _score(folder: Path, talkers: list[bytes], size: int) -> list[Row]:
    for number in range(size):
        _copy(talkers, number, folder / f"{number}.mp4")
    return [_row("score", size, _measured(["score", "--json", "--quiet", str(folder)]))]


def _pack(folder: Path, talkers: list[bytes], size: int) -> list[Row]:
    tree = folder / "dev" / "mp4"
    for number in range(size):
        _copy(talkers, number, tree / f"p{number // _PER_PERSON}" / f"v{number}" / "00001.mp4")
    command = ["pack", str(folder), "--output", str(folder / "tar"), "--cache", str(folder / "cache")]
    made = _measured(command)
    row = _row("extract and pack", size, made)
    clip_bytes = sum(path.stat().st_size for path in (folder / "tar").glob("*.tar")) / size
    return [{**row, "kB a clip": round(clip_bytes / 1000)}]


def _train(folder: Path, _talkers: list[bytes], size: int) -> list[Row]:
    command = [sys.executable, str(_HERE / "packed.py"), str(folder), str(size)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [_row(step, size, Measured(*taken)) for step, taken in json.loads(said).items()]


_STAGES: dict[str, Callable[[Path, list[bytes], int], list[Row]]] = {
    "audit": _audit,
    "score": _score,
    "pack": _pack,
    "train": _train,
}


def _measured(command: list[str]) -> Measured:
    return measure([sys.executable, "-m", "avsync", *command])


def _row(what: str, size: int, taken: Measured) -> Row:
    return {
        "what": what,
        "clips": size,
        "seconds": round(taken.seconds, 1),
        "of the processor": round(taken.processor, 1),
        "ms of it a clip": round(1000 * taken.processor / size, 2),
        "largest process (MB)": round(taken.memory / 1e6),
    }


def _grown(rows: list[Row]) -> list[Row]:
    """The rows with what each further clip costs, and that beside the further clips of the row before; 1 is linear."""
    grown, before = list[Row](), dict[str, tuple[int, float, float | None]]()
    for row in sorted(rows, key=lambda row: str(row["what"])):
        what, clips, seconds = str(row["what"]), int(str(row["clips"])), float(str(row["of the processor"]))
        each: float | None = None
        more: Row = {"ms each further clip": "–", "ratio": "–"}
        if what in before:
            fewer, then, slope = before[what]
            each = (seconds - then) / max(1, clips - fewer)
            more["ms each further clip"] = round(1000 * each, 2)
            more["ratio"] = round(each / slope, 2) if slope else "–"
        before[what] = clips, seconds, each
        grown.append({**row, **more})
    return grown


if __name__ == "__main__":
    main()
