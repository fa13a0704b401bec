"""Subtitles and a logo drawn over the pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.interface import Make
from avsync.evaluate.manipulations.rewrite import Paint, Pictures, Pixels

_TEXT = "It is the same recording, with words below."
_LOGO_OPACITY = 0.6


def subtitled() -> Make:
    """Draw a line of white text with a black outline over the lowest tenth of the picture."""
    return changed(pictures=Pictures(painter=_subtitle))


def with_logo() -> Make:
    """Draw a half-transparent disc with letters into the upper right corner, a sixth of the height."""
    return changed(pictures=Pictures(painter=_logo))


def _subtitle(height: int, width: int) -> Paint:
    text = _letters(_TEXT)
    scale = min(0.8 * width / text.shape[1], 0.07 * height / text.shape[0])
    ink = _resized(text, scale)
    outline = np.maximum.reduce([np.roll(ink, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)])
    top, left = height - ink.shape[0] - height // 25, (width - ink.shape[1]) // 2
    return _over(height, width, top, left, 255 * ink, np.maximum(ink, outline))


def _logo(height: int, width: int) -> Paint:
    side = max(8, height // 6)
    rows, columns = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    disc = (np.hypot(rows, columns) < 1).astype(np.float64)
    letters = _letters("TV")
    ink = _resized(letters, 0.6 * side / letters.shape[1])[:side, :side]
    colour = np.full((side, side), 60.0)
    top, left = (side - ink.shape[0]) // 2, (side - ink.shape[1]) // 2
    colour[top : top + ink.shape[0], left : left + ink.shape[1]] += 195 * ink
    margin = height // 30
    return _over(height, width, margin, width - side - margin, colour, _LOGO_OPACITY * disc)


def _over(
    height: int, width: int, top: int, left: int, grey: NDArray[np.float64], opacity: NDArray[np.float64]
) -> Paint:
    """A function that lays grey over a picture at a place; what lies outside of it is left out."""
    top, left = max(0, top), max(0, left)
    rows, columns = min(grey.shape[0], height - top), min(grey.shape[1], width - left)
    part = (slice(top, top + rows), slice(left, left + columns))
    ink, cover = grey[:rows, :columns, None], opacity[:rows, :columns, None]

    def paint(pixels: Pixels) -> Pixels:
        painted = pixels.copy()
        painted[part] = (pixels[part] * (1 - cover) + ink * cover).round().astype(np.uint8)
        return painted

    return paint


def _letters(text: str) -> NDArray[np.float64]:
    """Text as opacity in [0, 1], float64 [h, w], with a margin of two pixels."""
    font = ImageFont.load_default()
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, 255, font=font)
    return np.asarray(image) / 255


def _resized(ink: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    image = Image.fromarray((255 * ink).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image) / 255
