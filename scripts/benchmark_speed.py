"""Measure the speed and memory of `avsync score`, start included, and the time of each stage; prints Markdown.

    python scripts/benchmark_speed.py
    python scripts/benchmark_speed.py --baseline ../avsync-0.1.0

The time is compared with that of decoding the pictures and doing nothing with them, and with that of another version of
avsync: a checkout of its sources, with its own weights. They run in turn, so that a busy machine slows them alike.

The clip it makes is kept in the system's folder for temporary files, for the next run.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, gettempdir
from time import time

import av
import numpy as np
from benchmark.commands import Measured, measure
from benchmark.report import Row, Tables, circumstances, to_markdown
from numpy.typing import NDArray

from avsync.demo import make_clips
from avsync.media import FPS, RATE, Sound, write_clip

_DEMO_SECONDS = 8
_LONGER = (5, 30)
_HERE = Path(__file__).resolve().parent / "benchmark"
_AVSYNC, _DECODING, _BASELINE = "avsync score", "decoding the pictures alone", "avsync score, baseline"


def main() -> None:
    """Measure, and print one table after another."""
    options = _options()
    clip = _talking_clip(options.seconds, options.height)
    print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n", flush=True)
    measured = _measured(clip, options)
    tables: Tables = {
        "Start": _start(options.runs),
        f"Scoring a clip of {options.height} lines": _scoring(clip, options, measured[_AVSYNC]),
        "Beside decoding alone" + (" and the baseline" if options.baseline else ""): _ratios(measured),
        "Where the time goes, one stage after another": _stages(clip, options.weights),
    }
    print(to_markdown(tables))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how fast avsync is, and what memory it takes.")
    parser.add_argument("--seconds", type=int, default=60, help="length of the clip (default: 60)")
    parser.add_argument("--height", type=int, default=720, help="its lines, even; the width is 16:9 (default: 720)")
    parser.add_argument("--runs", type=int, default=3, help="the median of so many is reported (default: 3)")
    parser.add_argument("--long", action="store_true", help="also clips 5 and 30 times as long, once each")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="a checkout of another version, to compare with")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a checkpoint instead of the built-in one")
    return parser.parse_args()


def _start(runs: int) -> list[Row]:
    """Seconds until the command line prints its help, and of Python alone."""
    python = median(measure([sys.executable, "-c", "pass"]).seconds for _ in range(runs))
    help_text = median(measure([sys.executable, "-m", "avsync", "--help"]).seconds for _ in range(runs))
    return [
        {"command": "python -c pass", "seconds": python, "times as long": 1.0},
        {"command": "avsync --help", "seconds": help_text, "times as long": help_text / python},
    ]


def _measured(clip: Path, options: argparse.Namespace) -> dict[str, list[Measured]]:
    """What `options.runs` runs of avsync, of decoding alone and of the baseline take, in turn."""
    commands: dict[str, tuple[list[str], Path | None]] = {
        _AVSYNC: ([*_score(options), str(clip)], None),
        _DECODING: ([sys.executable, str(_HERE / "decode.py"), str(clip)], None),
    }
    if options.baseline:
        # `python -m` imports from the folder where it is started, before it looks anywhere else.
        commands[_BASELINE] = ([sys.executable, "-m", "avsync", "score", "--json", str(clip)], options.baseline)
    measured: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(options.runs):
        for name, (command, folder) in commands.items():
            measured[name].append(measure(command, folder))
    return measured


def _ratios(measured: dict[str, list[Measured]]) -> list[Row]:
    """Seconds and seconds of the processor of each, and avsync's over them.

    On a machine that does other work too, the seconds of the processor are the steadier ones.
    """
    seconds = {name: median(run.seconds for run in runs) for name, runs in measured.items()}
    processor = {name: median(run.processor for run in runs) for name, runs in measured.items()}
    return [
        {
            "what": name,
            "seconds": seconds[name],
            "avsync's over them": round(seconds[_AVSYNC] / seconds[name], 2),
            "seconds of the processor": processor[name],
            "avsync's over those": round(processor[_AVSYNC] / processor[name], 2),
            "peak memory (MB)": round(max(run.memory for run in runs) / 1e6),
        }
        for name, runs in measured.items()
    ]


def _score(options: argparse.Namespace) -> list[str]:
    weights = ["--weights", str(options.weights.resolve())] if options.weights else []
    return [sys.executable, "-m", "avsync", "score", "--json", *weights]


def _scoring(clip: Path, options: argparse.Namespace, measured: list[Measured]) -> list[Row]:
    rows = [_row(options.seconds, measured)]
    for times in _LONGER if options.long else ():
        with TemporaryDirectory(prefix="avsync-") as folder:
            longer = Path(folder) / "longer.mp4"
            _repeat(clip, longer, times, options.seconds)
            rows.append(_row(times * options.seconds, [measure([*_score(options), str(longer)])]))
    return rows


def _row(duration: float, measured: list[Measured]) -> Row:
    seconds = median(run.seconds for run in measured)
    memory = max(run.memory for run in measured)
    return {
        "clip (s)": duration,
        "runs": len(measured),
        "seconds": seconds,
        "of its duration": f"1/{duration / seconds:.1f}",
        "peak memory (MB)": round(memory / 1e6),
    }


def _stages(clip: Path, weights: Path | None) -> list[Row]:
    """What each stage takes with one thread, so that faces are followed in the process that is profiled."""
    command = [sys.executable, str(_HERE / "stages.py"), str(time()), str(clip), *([str(weights)] if weights else [])]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=alone).stdout
    seconds = json.loads(output)
    total = sum(seconds.values())
    return [{"stage": name, "seconds": spent, "%": round(100 * spent / total)} for name, spent in seconds.items()]


def _talking_clip(seconds: int, height: int) -> Path:
    """Return the demo's clip, enlarged to 16:9 pictures of `height` lines and repeated."""
    clip = Path(gettempdir()) / "avsync-benchmark" / f"talking-{seconds}s-{height}p.mp4"
    if not clip.exists():
        print(f"making {clip}", file=sys.stderr, flush=True)
        clip.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix="avsync-") as folder:
            source, _ = make_clips(Path(folder), seconds=_DEMO_SECONDS)
            sound = Sound(source).reader().read(0, _DEMO_SECONDS * RATE)
            pictures = islice(_enlarged(source, height), seconds * FPS)
            write_clip(clip, pictures, np.resize(sound, seconds * RATE))
    return clip


def _enlarged(source: Path, height: int) -> Iterator[NDArray[np.uint8]]:
    with av.open(f"file:{source}") as container:
        pictures = list(container.decode(video=0))
    sides = (height * 16 // 9 - height) // 4 * 2  # even, so that the width is even too
    for picture in cycle(pictures):
        pixels = picture.reformat(height, height, "rgb24").to_ndarray()
        yield np.pad(pixels, ((0, 0), (sides, sides), (0, 0)), "edge")


def _repeat(clip: Path, longer: Path, times: int, seconds: int) -> None:
    """Write a clip `times` times in a row, without coding it again."""
    with av.open(f"file:{longer}", "w") as target:
        with av.open(f"file:{clip}") as source:
            streams = [target.add_stream_from_template(stream) for stream in source.streams]
        for index in range(times):
            with av.open(f"file:{clip}") as source:
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None:  # empty ones at the end
                        continue
                    # The first sound of a repetition would overlap the end of the one before.
                    if index and packet.dts < 0 and packet.stream.type == "audio":
                        continue
                    later = round(index * (seconds + 0.1) / packet.time_base)
                    packet.dts, packet.pts = packet.dts + later, packet.pts + later
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)


if __name__ == "__main__":
    main()
