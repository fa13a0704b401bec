"""What lenses, sensors, scaling and codecs do to pictures, drawn at random.

None of it is evidence of synthesis. So real faces and their reconstructions go through the same draw of this chain
before a network learns to tell them apart: then nothing but the reconstruction differs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from avsync.media import FPS, REPEATABLE_X264

Pictures = NDArray[np.uint8]
Effect = Callable[[Pictures], Pictures]

_BLUR = (0.3, 1.2)  # pixels, standard deviation
_SCALE = (0.5, 1.0)  # of the side
_NOISE = (0.5, 5.0)  # grey levels, standard deviation
_GRAIN = (0.0, 0.8)  # pixels, how far the noise of neighbours is alike: sensors interpolate colours
# Encoder, its quality (constant rate factor) and its speeds: from hardly visible loss to blocks.
_CODECS: tuple[tuple[str, tuple[int, int], tuple[str, ...]], ...] = (
    ("libx264", (17, 35), ("ultrafast", "veryfast", "medium")),
    ("libx265", (18, 36), ("ultrafast", "fast")),
)
# Results must not depend on how many threads there are. x265 writes to the terminal by itself.
_REPEATABLE = {
    "libx264": REPEATABLE_X264,
    "libx265": {"x265-params": "log-level=none:pools=none:frame-threads=1"},
}
_LEAST = 64  # pixels; x265 crashes on some smaller pictures (48 pixels, measured with that of PyAV 18.1)


@dataclass(frozen=True)
class CameraChances:
    """How often each effect is drawn.

    Attributes:
        blur, rescale, noise, codec: shares of draws.
        again: of draws with a codec, those that are scaled and encoded a second time.
    """

    blur: float = 0.3
    rescale: float = 0.4
    noise: float = 0.5
    codec: float = 0.8
    again: float = 0.4


USUAL = CameraChances()


class Camera:
    """One draw of the chain. Pictures of one size that go through it meet the same blur, noise and codecs.

    Args:
        rng: what is drawn from.
        chances: how often each effect is drawn.
    """

    def __init__(self, rng: np.random.Generator, chances: CameraChances = USUAL) -> None:
        twice = chances.codec * chances.again
        drawn: Sequence[tuple[float, Callable[[np.random.Generator], Effect]]] = (
            (chances.blur, _blur),
            (chances.rescale, _rescale),
            (chances.noise, _noise),
            (chances.codec, _codec),
            (twice, _rescale),
            (twice, _codec),
        )
        self._effects = [make(rng) for chance, make in drawn if rng.random() < chance]

    def __call__(self, pictures: Pictures) -> Pictures:
        """Return pictures as the camera gives them, uint8 [T, H, W, 3], of consecutive ones, uint8 [T, H, W, 3]."""
        for effect in self._effects:
            pictures = effect(pictures)
        return pictures


def _blur(rng: np.random.Generator) -> Effect:
    """A lens out of focus."""
    sigma = rng.uniform(*_BLUR)
    return lambda pictures: _each(pictures, lambda image: image.filter(ImageFilter.GaussianBlur(sigma)))


def _rescale(rng: np.random.Generator) -> Effect:
    """Made smaller and larger again."""
    scale = rng.uniform(*_SCALE)
    ways = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
    down, up = (ways[rng.integers(len(ways))] for _ in range(2))

    def rescale(image: Image.Image) -> Image.Image:
        small = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return image.resize(small, down).resize(image.size, up)

    return lambda pictures: _each(pictures, rescale)


def _noise(rng: np.random.Generator) -> Effect:
    """The grain of a sensor, new on each picture."""
    sigma, grain, seed = rng.uniform(*_NOISE), rng.uniform(*_GRAIN), int(rng.integers(2**31))

    def add(pictures: Pictures) -> Pictures:
        noise = sensor_noise(pictures.shape, grain, np.random.default_rng(seed))
        return np.asarray(np.rint(pictures + sigma * noise).clip(0, 255), np.uint8)

    return add


def _codec(rng: np.random.Generator) -> Effect:
    """Encoded and decoded."""
    name, quality, speeds = _CODECS[rng.integers(len(_CODECS))]
    crf, speed = int(rng.integers(quality[0], quality[1] + 1)), str(rng.choice(speeds))
    return lambda pictures: encoded(pictures, name, crf, speed)


def sensor_noise(shape: tuple[int, ...], grain: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of mean 0 and standard deviation 1, float32 [T, H, W, 3].

    Args:
        shape: T, H, W, 3.
        grain: pixels over which neighbours are alike, the standard deviation of a Gaussian; 0: not at all.
        rng: draws it.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    # A Gaussian of less than a pixel has next to nothing beyond the neighbours.
    beside = np.float32(np.exp(-0.5 / max(grain, 1e-3) ** 2))
    for axis in (1, 2):
        white = white + beside * (np.roll(white, 1, axis) + np.roll(white, -1, axis))
    return np.asarray(white / (1 + 2 * beside**2), np.float32)


def encoded(pictures: Pictures, codec: str, crf: int, speed: str) -> Pictures:
    """Return pictures, uint8 [T, H, W, 3], as they are after an encoder of FFmpeg; sides may be odd."""
    height, width = pictures.shape[1:3]
    # Codecs halve the colours: sides are even.
    below, right = (max(_LEAST, side + side % 2) - side for side in (height, width))
    padded = np.pad(pictures, ((0, 0), (0, below), (0, right), (0, 0)), mode="edge")
    return _decoded(_encoded(padded, codec, {"crf": str(crf), "preset": speed} | _REPEATABLE[codec]))[
        :, :height, :width
    ]


def _encoded(pictures: Pictures, codec: str, options: dict[str, str]) -> BytesIO:
    file = BytesIO()
    with av.open(file, mode="w", format="matroska") as output:
        stream = output.add_stream(codec, rate=Fraction(FPS), options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        output.mux(stream.encode(None))
    file.seek(0)
    return file


def _decoded(file: BytesIO) -> Pictures:
    with av.open(file, mode="r") as source:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)])


def _each(pictures: Pictures, change: Callable[[Image.Image], Image.Image]) -> Pictures:
    return np.stack([np.asarray(change(Image.fromarray(picture))) for picture in pictures])
