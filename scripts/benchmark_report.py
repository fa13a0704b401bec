"""Measure what the HTML report costs: time beyond scoring, size, and how fast a browser opens it; prints Markdown.

    python scripts/benchmark_report.py CLIP

CLIP is a video of a person who speaks; it is repeated to a minute. The time is that of `Detector.score` with and
without what the report shows, by turns. Opening needs Debian's chromium and Playwright (`pip install -e '.[dev]'`).
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import av
from benchmark.report import Row, circumstances, to_markdown
from playwright.sync_api import sync_playwright

from avsync import Detector
from avsync.detector import Kept
from avsync.report import write_report

_PAUSE = 0.2  # s between two rounds: decoding times of the next one begin before its first picture
_KINDS: dict[str, tuple[Kept, ...]] = {"verdict alone": (), "with pictures": ("figures",), "with --embed": ("media",)}


def main() -> None:
    """Measure, and print a table for one long recording and one for many short ones."""
    options = _options()
    print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n", flush=True)
    with TemporaryDirectory() as folder:
        minute = Path(folder) / "minute.mp4"
        _repeat(options.clip, minute, options.seconds)
        long = _long(minute, Path(folder), options.runs)
        many = _many(options.clip, Path(folder), options.files)
    print(to_markdown({f"{options.seconds:.0f} s": long, f"{options.files} files": many}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the HTML report costs.")
    parser.add_argument("clip", type=Path, help="a video of a person who speaks")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the long recording (default: 60)")
    parser.add_argument("--files", type=int, default=500, help="in the long list (default: 500)")
    parser.add_argument("--runs", type=int, default=3, help="medians are reported (default: 3)")
    return parser.parse_args()


def _long(path: Path, folder: Path, runs: int) -> list[Row]:
    detector = Detector()
    seconds: dict[str, list[float]] = {name: [] for name in _KINDS}
    rows: list[Row] = []
    for _ in range(runs):
        for name, keep in _KINDS.items():
            start = perf_counter()
            verdict = detector.score(path, keep=keep)
            write_report([verdict], folder / f"{name}.html")
            seconds[name].append(perf_counter() - start)
    base = median(seconds["verdict alone"])
    for name, found in seconds.items():
        size = (folder / f"{name}.html").stat().st_size / 1e6
        rows.append({"report": name, "seconds": median(found), "more (s)": median(found) - base, "MB": size})
    return rows


def _many(clip: Path, folder: Path, count: int) -> list[Row]:
    verdict = Detector().score(clip, keep=_KINDS["with pictures"])
    path = folder / "many.html"
    write_report([replace(verdict, path=f"{number}.mp4") for number in range(count)], path)
    return [{"report": "with pictures", "MB": path.stat().st_size / 1e6, "opens in (s)": _opening(path)}]


def _opening(path: Path) -> float:
    """Seconds until a browser has read the page and run its script."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(path.as_uri())
        loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        browser.close()
    return float(loaded) / 1000


def _repeat(source: Path, target: Path, seconds: float) -> None:
    """Write the packets of a clip again and again, until the copy is so long."""
    with av.open(str(source)) as first:
        length = float(first.duration or 0) / av.time_base + _PAUSE
    with av.open(str(target), "w") as output:
        streams = {}
        for number in range(max(1, round(seconds / length))):
            with av.open(str(source)) as container:
                for stream in container.streams:
                    if stream.index not in streams:
                        streams[stream.index] = output.add_stream_from_template(stream)
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    shift = round(number * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.index]
                    output.mux(packet)


if __name__ == "__main__":
    main()
