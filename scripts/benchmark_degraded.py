"""Degrade real clips step by step and measure how often they are called suspicious.

    python scripts/benchmark_degraded.py ROOT --clips 40

prints a Markdown table. Only real clips of people of the role "report" are used. A step is honest if the share called
suspicious among the judged clips is at most the level plus 5 points: what cannot be judged any more must be refused.

- frame rate: pictures are dropped, the file says the lower rate;
- repeated pictures: so many new ones per second, each shown until the next one is due, in a file of 25 per second;
- packet loss: packets of pictures and sound are left out at random, nothing is encoded again;
- flipped bytes: bytes of the media data are changed at random, the headers are whole;
- frozen: one picture stands still for some seconds while the sound goes on.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from numpy.typing import NDArray

from avsync.datasets.registry import open_dataset
from avsync.datasets.roles import with_role
from avsync.detector import Detector
from avsync.errors import AvsyncError
from avsync.evaluate.metrics import estimate, share
from avsync.media import FPS, RATE, Sound, frames, write_clip
from avsync.score.verdict import Verdict

Degrade = Callable[[Path, Path, random.Random], None]  # from a clip to a worse one

_RATES = (25, 15, 12, 10, 8, 5, 2, 1)
_LOSSES = (0.001, 0.01, 0.05, 0.2)
_FLIPS = (1e-4, 1e-3)
_FROZEN = (0.5, 1.0, 2.0)


def main() -> None:
    """Print one row for each step, as soon as it is measured."""
    options = _options()
    try:
        detector = Detector(options.weights, level=options.level)
        records = [r for r in open_dataset(options.root) if r.label == "real"]
        clips = with_role(records, "report")[: options.clips]
        print(f"{len(clips)} real clips, model {detector.model}, level {options.level}\n")
        print("| step | judged | suspicious | share of the judged | refused |\n|---|---:|---:|---|---|")
        for name, degrade in steps(options.only):
            with TemporaryDirectory() as folder:
                target = Path(folder) / "clip.mp4"
                verdicts = []
                for index, record in enumerate(clips):
                    degrade(record.path, target, random.Random(index))
                    verdicts.append(detector.score(target))
            print(row(name, verdicts, [r.identity for r in clips], options.level), flush=True)
    except AvsyncError as error:
        sys.exit(f"benchmark_degraded: {error}")


def steps(only: str | None = None) -> Iterator[tuple[str, Degrade]]:
    """Yield the name of each step and what it does to a clip; `only`: those whose names begin so."""
    found: dict[str, Degrade] = {"as it is": _copy}
    found |= {f"frame rate {rate}": partial(_thinned, rate=rate, repeated=False) for rate in _RATES}
    found |= {f"repeated pictures {rate}": partial(_thinned, rate=rate, repeated=True) for rate in _RATES[1:]}
    found |= {f"packet loss {loss:.1%}": partial(_lossy, loss=loss) for loss in _LOSSES}
    found |= {f"flipped bytes {flips:g}": partial(_flipped, flips=flips) for flips in _FLIPS}
    found |= {f"frozen {seconds} s": partial(_frozen, seconds=seconds) for seconds in _FROZEN}
    yield from ((name, degrade) for name, degrade in found.items() if name.startswith(only or ""))


def row(name: str, verdicts: Sequence[Verdict], people: Sequence[str], level: float) -> str:
    """One row of the table, with a 95 % bootstrap interval by identity."""
    judged = [(v, person) for v, person in zip(verdicts, people, strict=True) if v.p_value is not None]
    refused = Counter(str(v.reason) for v in verdicts if v.p_value is None)
    suspicious = np.array([v.p_value is not None and v.p_value <= level for v, _ in judged], np.bool_)
    interval = estimate(partial(share, suspicious), [person for _, person in judged])
    reasons = ", ".join(f"{reason} {count}" for reason, count in refused.most_common()) or "–"
    share_of_judged = f"{interval.value:.0%} ({interval.low:.0%} to {interval.high:.0%})" if judged else "–"
    return f"| {name} | {len(judged)} | {int(suspicious.sum())} | {share_of_judged} | {reasons} |"


def _copy(source: Path, target: Path, _: random.Random) -> None:
    target.write_bytes(source.read_bytes())


def _thinned(source: Path, target: Path, _: random.Random, *, rate: int, repeated: bool) -> None:
    """Write a clip with `rate` pictures per second; `repeated`: at 25 per second, each shown until the next is due."""
    pictures, sound = _read(source)
    due = np.floor(np.arange(0, len(pictures), FPS / rate)).astype(int)
    if repeated:
        due = due[np.searchsorted(due, np.arange(len(pictures)), side="right") - 1]
    write_clip(target, [pictures[index] for index in due], sound, fps=FPS if repeated else rate)


def _frozen(source: Path, target: Path, chance: random.Random, *, seconds: float) -> None:
    """Write a clip in which one picture stands still for some seconds."""
    pictures, sound = _read(source)
    count = min(round(seconds * FPS), len(pictures) - 1)
    first = chance.randrange(len(pictures) - count)
    pictures[first : first + count] = [pictures[first]] * count
    write_clip(target, pictures, sound)


def _lossy(source: Path, target: Path, chance: random.Random, *, loss: float) -> None:
    """Copy the packets of a clip but for a random share of them; the first two stay, as without them nothing plays."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        kept = [stream for stream in before.streams if stream.type in ("video", "audio")]
        streams = {stream.index: after.add_stream_from_template(stream) for stream in kept}
        packets = (packet for packet in before.demux(kept) if packet.dts is not None)
        for count, packet in enumerate(packets):
            if count < 2 or chance.random() >= loss:
                packet.stream = streams[packet.stream_index]
                after.mux(packet)


def _flipped(source: Path, target: Path, chance: random.Random, *, flips: float) -> None:
    """Change a random share of the bytes of the packets of an MP4 file."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux():
            if packet.pos is None or not packet.size:
                continue
            for _ in range(_poisson(chance, packet.size * flips)):
                data[packet.pos + chance.randrange(packet.size)] = chance.randrange(256)
    target.write_bytes(data)


def _poisson(chance: random.Random, mean: float) -> int:
    return int(np.random.default_rng(chance.randrange(2**32)).poisson(mean))


def _read(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """The pictures of a clip at 25 per second, with even sides, and the sound from the first one on."""
    shown = list(frames(path))
    height, width = (side // 2 * 2 for side in shown[0].image.shape)
    begin = round(shown[0].time * RATE)
    sound = Sound(path).reader().read(begin, begin + len(shown) * RATE // FPS)
    return [frame.image[:height, :width] for frame in shown], sound


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Degrade real clips, and measure how often they are suspicious.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a calibrated checkpoint")
    parser.add_argument("--clips", type=int, metavar="N", default=40, help="at most so many (default: 40)")
    parser.add_argument("--level", type=float, metavar="P", default=0.05, help="suspicious at or below (default: 0.05)")
    parser.add_argument("--only", metavar="NAME", help="only steps whose names begin so, such as 'packet'")
    return parser.parse_args()


if __name__ == "__main__":
    main()
