"""Animate the astronaut of scikit-image by warping the photograph's lips, jaw, eyelids and head.

The photograph (Eileen Collins, NASA, public domain) is part of the scikit-image package. All positions are pixels of
that photograph, x to the right and y down; pictures are rendered `_SCALE` times larger.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample

from avsync.media import FPS

Field = NDArray[np.float32]

SIDE = 384
"""Width and height of the pictures in pixels."""
_LEFT, _TOP, _SPAN = 119.0, 6.0, 208.0  # the square of the photograph in the pictures
_SCALE = SIDE / _SPAN

_MOUTH = (223.15, 139.45)  # middle of the line between the mouth corners
_HALF = 21.15  # half the distance between the mouth corners
_TILT = 0.75 / _HALF  # slope of that line
# Lip edges are parabolas through the mouth corners, in the middle of the mouth this far below the line.
_UPPER, _LOWER, _SEAL = 3.7, 10.7, 6.9  # upper and lower lip in the photograph, and closed lips
_RISE, _DROP = 2.3, 9.0  # distance of upper and lower lip from closed lips at full opening
_JAW = 0.75  # how far the chin moves with the lower lip
_MOUTH_BOX = (160, 112, 286, 205)  # left, top, right, bottom of the pixels that the mouth moves


class _Eye(NamedTuple):
    """Upper and lower edge of an eye: parabolas through its corners, below the line between them."""

    x: float
    y: float
    half: float
    slope: float
    upper: float
    lower: float


_EYES = (_Eye(203.0, 101.5, 11.0, 0.08, -4.0, 2.8), _Eye(246.5, 104.0, 12.0, -0.02, -4.5, 2.5))


def talk(opening: Field, width: Field, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield T pictures, uint8 [384, 384, 3] RGB, at 25 per second.

    Args:
        opening: float32 [T], the gap between the lips, 0 to 1.
        width: float32 [T], the width of the lips, from -1 (rounded) to 1 (spread).
        seed: chooses head motion, blinks and grain.
    """
    rng = np.random.default_rng([seed, 2])
    photo = _enlarged_photo()
    head, depth = _head_weights()
    sway, blinks = _sway(len(opening), rng), _blinks(len(opening), rng)
    for gap, spread, pose, blink in zip(opening, width, sway, blinks, strict=True):
        x, y = _turn(pose, head, depth)
        picture = _render(photo, x, y, float(gap), float(spread), float(blink))
        grain = 1.5 * rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
        yield np.clip(picture + grain + 0.5, 0, 255).astype(np.uint8)


def _enlarged_photo() -> Tensor:
    """The photograph, `_SCALE` times larger: float32 [1, 3, side, side]."""
    # Read as a file, because `skimage.data.astronaut` may use the network.
    with files("skimage").joinpath("data", "astronaut.png").open("rb") as file, Image.open(file) as photo:
        side = round(photo.width * _SCALE)
        large = photo.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(large, np.float32).transpose(2, 0, 1)[None].copy())


def _sample(photo: Tensor, x: Field, y: Field) -> Field:
    """Sample colours [..., 3] of the enlarged photograph at positions [H, W] in the original, edges repeated."""
    at = (np.stack([x, y], axis=-1) + 0.5) * (2 * _SCALE / photo.shape[-1]) - 1
    grid = torch.from_numpy(at.astype(np.float32))[None]
    colours = grid_sample(photo, grid, padding_mode="border", align_corners=False)
    return np.asarray(colours[0].permute(1, 2, 0).numpy())


def _ramp(value: Field, start: float, end: float) -> Field:
    """Smooth step from 0 at `start` to 1 at `end` (`end` may be smaller than `start`)."""
    t: Field = np.clip((value - start) / (end - start), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _grid() -> tuple[Field, Field]:
    """Position in the photograph, x and y [384, 384], of every pixel of a picture."""
    line = (np.arange(SIDE, dtype=np.float32) + 0.5) / _SCALE - 0.5
    x, y = np.meshgrid(_LEFT + line, _TOP + line)
    return x, y


def _head_weights() -> tuple[Field, Field]:
    """How much each pixel moves with the head, and how far it is in front of the head's axis, both 0 to 1."""
    x, y = _grid()
    head = _ramp(np.abs(x - 225.0), 104.0, 70.0) * _ramp(y, 205.0, 160.0)
    depth = np.exp(-(((x - 225.0) / 30.0) ** 2) - ((y - 122.0) / 40.0) ** 2)
    return head, depth


def _sway(frames: int, rng: np.random.Generator) -> Field:
    """Slow head motion [T, 3]: turn and nod in pixels, tilt in radians."""
    time = np.arange(frames)[:, None, None] / FPS
    rate = rng.uniform(0.1, 0.6, (1, 3, 4))
    phase = rng.uniform(0.0, 2.0 * np.pi, (1, 3, 4))
    waves = np.sin(2.0 * np.pi * rate * time + phase).sum(axis=2)
    sway: Field = (waves * [0.9, 0.6, 0.006]).astype(np.float32)
    return sway


def _blinks(frames: int, rng: np.random.Generator) -> Field:
    """How far the eyes are shut [T], 0 to 1: a blink of a quarter second every 2 to 4 seconds."""
    shut = np.zeros(frames + 8, np.float32)
    start = int(rng.integers(20, 50))
    while start < frames:
        shut[start : start + 7] = [0.35, 0.9, 1.0, 0.85, 0.55, 0.25, 0.1]
        start += int(rng.integers(50, 100))
    return shut[:frames]


def _turn(pose: Field, head: Field, depth: Field) -> tuple[Field, Field]:
    """The position in the photograph of each pixel of a picture of the turned head; parts in front move further."""
    x, y = _grid()
    turn, nod, tilt = pose
    near = head * (1.0 + 0.5 * depth)
    return x - near * turn - head * tilt * (170.0 - y), y - near * nod - head * tilt * (x - 225.0)


def _render(photo: Tensor, x: Field, y: Field, gap: float, spread: float, blink: float) -> Field:
    """Colours [..., 3] of a picture with its pixels at `x`, `y` of the photograph and with moved lips and lids."""
    mouth = _box(*_MOUTH_BOX)
    source_x, source_y = x.copy(), y.copy()
    source_x[mouth], source_y[mouth], inside = _move_lips(x[mouth], y[mouth], gap, spread)
    picture = _sample(photo, source_x, source_y)
    _lay_over(picture, mouth, _inside_mouth(photo, x[mouth], y[mouth], gap), inside)
    for eye in _EYES if blink else ():
        around = _box(eye.x - 18.0, eye.y - 18.0, eye.x + 18.0, eye.y + 10.0)
        lid_y, lid = _lower_lid(eye, x[around], y[around], blink)
        _lay_over(picture, around, _sample(photo, x[around], lid_y), lid)
    return picture


def _box(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Rows and columns of a picture that show a rectangle of the photograph."""
    columns = slice(int((left - _LEFT) * _SCALE), int((right - _LEFT) * _SCALE))
    return slice(int((top - _TOP) * _SCALE), int((bottom - _TOP) * _SCALE)), columns


def _lay_over(picture: Field, where: tuple[slice, slice], colours: Field, share: Field) -> None:
    picture[where] += share[..., None] * (colours - picture[where])


def _lower_lid(eye: _Eye, x: Field, y: Field, blink: float) -> tuple[Field, Field]:
    """Close the upper lid: the source y of each pixel of the lid, and how far it covers the eye, 0 to 1."""
    arch = np.clip(1.0 - ((x - eye.x) / eye.half) ** 2, 0.0, None)
    fall = blink * (eye.lower - eye.upper) * arch
    above_edge = eye.y + eye.slope * (x - eye.x) + eye.upper * arch + fall - y
    stretch = np.clip(1.0 - above_edge / (fall + 6.0), 0.0, 1.0)
    return y - fall * stretch, np.clip(_SCALE * (above_edge + 0.8), 0.0, 1.0) * (arch > 0.0)


def _mouth_lines(x: Field) -> tuple[Field, Field]:
    """The y of the line through the mouth corners, and the parabola of height 1 that the lips follow."""
    aside = x - _MOUTH[0]
    return _MOUTH[1] + _TILT * aside, np.clip(1.0 - (aside / _HALF) ** 2, 0.0, None)


def _move_lips(x: Field, y: Field, gap: float, spread: float) -> tuple[Field, Field, Field]:
    """The source x and y of each pixel around the mouth, and how far it is inside the mouth, 0 to 1."""
    narrow = 0.06 - 0.16 * spread + 0.08 * gap  # share of the mouth's width
    reach = np.exp(-(((x - _MOUTH[0]) / 32.0) ** 4) - ((y - _MOUTH[1] - 6.0) / 17.0) ** 2)
    x = x + (x - _MOUTH[0]) * narrow * reach
    line, arch = _mouth_lines(x)
    # The photograph smiles. Speech lowers the mouth corners, rounded vowels most.
    beyond = np.clip(np.abs(x - _MOUTH[0]) / _HALF - 1.0, 0.0, None)
    sag = (1.2 - 1.2 * spread + 1.5 * gap) * np.exp(-((beyond / 0.4) ** 2))
    seal = line + sag + (_SEAL - sag) * arch
    above, below = seal - _RISE * gap * arch, seal + _DROP * gap * arch**0.8
    up = (above - line - _UPPER * arch) * _ramp(above - y, 9.0, 0.0)
    drop = below - line - _LOWER * arch
    jaw, jaw_at_lip = _jaw(x, y, gap), _jaw(x, below, gap)
    down = jaw + (drop - jaw_at_lip) * _ramp(y - below, 16.0, 0.0)
    # Never quite 0 between the corners: closed lips show a crease.
    apart = np.clip(0.35 + _SCALE * (below - above), 0.0, 1.0) * (arch > 0.0)
    inside = apart * np.clip(_SCALE * np.minimum(y - above, below - y) + 0.5, 0.0, 1.0)
    return x, y - np.where(2.0 * y < above + below, up, down), inside


def _jaw(x: Field, y: Field, gap: float) -> Field:
    """How far the jaw moves down at each position: most at the chin, little at the ears, not at all on the neck."""
    chin = _JAW * (_SEAL + _DROP * gap - _LOWER)
    aside: Field = np.exp(-(((x - _MOUTH[0]) / 36.0) ** 2))
    return chin * aside * _ramp(y, 138.0, 165.0) * _ramp(y, 203.0, 176.0)


def _inside_mouth(photo: Tensor, x: Field, y: Field, gap: float) -> Field:
    """Colours behind the lips: the photograph's teeth, which do not move, and a dark hollow with a tongue."""
    line, arch = _mouth_lines(x)
    teeth = _ramp(y - line - (_LOWER - 0.9) * arch, 0.6, -0.6) * _ramp(y - line - _UPPER * arch, -0.5, 0.8)
    teeth *= _ramp(gap * arch, 0.02, 0.2)  # shaded when the lips are nearly closed
    floor = line + (_SEAL + _DROP * gap) * arch
    tongue = _ramp(floor - y, 6.0, 0.0) * _ramp(np.abs(x - _MOUTH[0]), 14.0, 6.0)
    hollow = np.array([38.0, 14.0, 14.0], np.float32) + tongue[..., None] * np.array([88.0, 42.0, 42.0], np.float32)
    shade = 0.72 + 0.28 * _ramp(y - line, 2.0, 9.0)
    colours: Field = hollow + teeth[..., None] * (shade[..., None] * _sample(photo, x, y) - hollow)
    return colours
