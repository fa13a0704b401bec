"""Write small clips, for the demo, the tests and the benchmarks."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from avsync.files import unfinished

# Options of libx264 with which the same pictures always give the same bytes: with one thread, since results depend on
# how many there are, and without its macroblock tree, which with AVX-512 differs from run to run (measured with the
# x264 of PyAV 18.1).
REPEATABLE_X264 = {"threads": "1", "x264-params": "mbtree=0"}


def write_clip(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    waveform: NDArray[np.float32] | None,
    *,
    fps: float = 25.0,
    rate: int = 16_000,
    crf: int = 20,
) -> None:
    """Write pictures and mono sound as an MP4 file, which appears under its name only when it is complete.

    Args:
        path: the file; an existing one is replaced.
        pictures: at least one uint8 [H, W, 3] (RGB) or [H, W] (grey) with even sides.
        waveform: float32 [n] in [-1, 1] at `rate` Hz (any rate of AAC, 8000 to 96000), or None for no sound.
        fps: pictures per second.
        rate: samples per second.
        crf: quality of x264, 0 (lossless) to 51.
    """
    with unfinished(path) as partial, av.open(f"file:{partial}", "w", format="mp4") as container:
        _mux(container, pictures, waveform, Fraction(fps).limit_denominator(1001), rate, crf)


def _mux(
    container: OutputContainer,
    pictures: Iterable[NDArray[np.uint8]],
    waveform: NDArray[np.float32] | None,
    fps: Fraction,
    rate: int,
    crf: int,
) -> None:
    video = container.add_stream("libx264", rate=fps, options={"crf": str(crf)})
    video.pix_fmt = "yuv420p"
    sound = container.add_stream("aac", rate=rate, layout="mono") if waveform is not None else None
    for index, pixels in enumerate(pictures):
        if index == 0:
            video.height, video.width = pixels.shape[:2]
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24" if pixels.ndim == 3 else "gray")
        container.mux(video.encode(picture))
    container.mux(video.encode(None))
    if sound is not None and waveform is not None:
        samples = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), format="fltp", layout="mono")
        samples.sample_rate, samples.pts = rate, 0
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
