"""How many processes run the tests, and fixtures that write tiny real media files."""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

# A process that runs tests holds up to 3 GB.
_MOST_PROCESSES = 4


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one process for each core if all tests are run, else 0: a part starts faster in this process."""
    cores = os.cpu_count() or 1
    some = any(config.getoption(name, None) for name in ("help", "file_or_dir", "keyword", "collectonly"))
    if cores == 1 or some:
        return 0
    # The processes inherit it. With more threads than cores they would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return min(cores, _MOST_PROCESSES)


def _flash_and_click(
    path: Path,
    *,
    at: float = 1.0,
    seconds: float = 2.0,
    fps: float = 25,
    times: Sequence[float] | None = None,
    picture: str | None = "libx264",
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    codec_options: dict[str, str] | None = None,
    sound: str | None = "aac",
    rate: int = 16_000,
    layout: str = "mono",
    stretches: Sequence[tuple[float, float]] | None = None,
    clock: float = 0.0,
    options: dict[str, str] | None = None,
) -> float:
    """Write a dark clip with one white flash and one click at the same time, and return that time (s).

    `times` are the times of the pictures, in whole ms (default: constant `fps`); there is sound in `stretches`
    (default: everywhere); `clock` is added to every timestamp; `codec_options` are for the pictures, `options` for the
    container.
    """
    exact = Fraction(fps).limit_denominator(1001)
    tick = 1 / exact if times is None else Fraction(1, 1000)
    stamps = range(round(seconds * exact)) if times is None else [round(t * 1000) for t in times]
    moment = next(float(s * tick) for s in stamps if s * tick >= at - 1e-6)
    packets = []
    with av.open(f"file:{path}", "w", options=options or {}) as container:
        video = container.add_stream(picture, rate=exact, options=codec_options) if picture else None
        audio = container.add_stream(sound, rate=rate, layout=layout) if sound else None
        if video is not None:
            video.width, video.height, video.pix_fmt, video.codec_context.time_base = *size, pix_fmt, tick
            for stamp in stamps:
                white = moment - 1e-6 <= stamp * tick < moment + 0.1195
                pixels = np.full((size[1], size[0], 3), 255 if white else 20, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = stamp + round(clock / tick), tick
                packets += video.encode(frame)
            packets += video.encode(None)
        if audio is not None:
            channels = audio.codec_context.layout.nb_channels
            for start, stop in stretches or [(0.0, seconds)]:
                first = round(start * rate)
                samples = np.zeros((channels, round(stop * rate) - first), np.float32)
                if start <= moment < stop:
                    samples[:, round(moment * rate) - first] = 0.9
                for done in range(0, samples.shape[1], 1024):
                    piece = np.ascontiguousarray(samples[:, done : done + 1024])
                    block = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                    block.sample_rate, block.time_base = rate, Fraction(1, rate)
                    block.pts = first + done + round(clock * rate)
                    packets += audio.encode(block)
            packets += audio.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return moment


@pytest.fixture(scope="session")
def flash_and_click() -> Callable[..., float]:
    """Writes a dark clip with one white flash and one click at the same time, and returns that time (s)."""
    return _flash_and_click
