"""A face seen by a network of low resolution: made small, sometimes encoded, and made large again."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.reconstruct.face.interface import FaceFootage

_LEAST, _MOST = 0.3, 0.75  # of the side
_ENCODED = 0.3  # share of draws with JPEG in between
_QUALITY = (40, 90)
_DOWN = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
_UP = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def low_resolution(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lose the detail that 30 to 75 % of the size cannot show (see `FaceReconstruction.function`)."""
    size = footage.pictures.shape[2]
    small = round(size * rng.uniform(_LEAST, _MOST))
    down, up = (ways[rng.integers(len(ways))] for ways in (_DOWN, _UP))
    quality = int(rng.integers(*_QUALITY)) if rng.random() < _ENCODED else None

    def rebuilt(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image = Image.fromarray(picture).resize((small, small), down)
        return np.asarray((image if quality is None else _encoded(image, quality)).resize((size, size), up))

    return np.stack([rebuilt(picture) for picture in footage.pictures])


def _encoded(image: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
