"""Arrays as `data:` addresses of small pictures."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Colours at equal steps from low to high values: the colour map viridis (Smith & van der Walt, 2015), whose lightness
# rises evenly, also for colour-blind readers and on grey paper.
_VIRIDIS = ("440154", "414487", "2a788e", "22a884", "7ad151", "fde725")
# The quality of JPEG: that of pictures to look at, and of the many small mouths.
_QUALITY, _SMALL_QUALITY = 80, 60


def jpeg(pixels: NDArray[np.uint8], *, small: bool = False) -> str:
    """Encode grey [H, W] or RGB [H, W, 3] pixels."""
    return _encoded(Image.fromarray(pixels), "jpeg", quality=_SMALL_QUALITY if small else _QUALITY)


def heat(values: NDArray[np.floating[Any]], low: float, high: float) -> str:
    """Draw values [H, W], the first row at the top, in colours from `low` to `high`; NaN is transparent."""
    known = ~np.isnan(values)
    place = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-9), 0, 1)
    # The last colour of the palette is for what is not known.
    picture = Image.fromarray(np.where(known, np.rint(place * 254), 255).astype(np.uint8), "P")
    picture.putpalette(np.rint(np.vstack([_colours(255), [[0, 0, 0]]])).astype(np.uint8).tobytes())
    return _encoded(picture, "png", transparency=255, optimize=True)


def veil(values: NDArray[np.floating[Any]], low: float, high: float) -> str:
    """Draw values [H, W] as a red veil over another picture, transparent up to `low`, dense from `high`."""
    density = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-9), 0, 1)
    pixels = np.zeros((*values.shape, 4), np.uint8)
    pixels[..., 0], pixels[..., 1] = 255, 40
    pixels[..., 3] = np.rint(215 * density)
    return _encoded(Image.fromarray(pixels), "png", optimize=True)


def _colours(count: int) -> NDArray[np.float64]:
    """Float64 [count, 3], 0 to 255, from low to high."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _VIRIDIS], np.float64)
    at = np.linspace(0, len(anchors) - 1, count)
    return np.stack([np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1)


def _encoded(picture: Image.Image, kind: str, **options: Any) -> str:
    file = BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind};base64,{b64encode(file.getvalue()).decode()}"
