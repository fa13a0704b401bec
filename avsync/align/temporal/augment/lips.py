"""Augmentation of mouth crops and of lip geometry."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from avsync.align.temporal.augment.draws import for_some, normal, uniform
from avsync.align.temporal.config import AugmentConfig
from avsync.align.temporal.inputs import CENTRAL, DEVIATION_FLOOR, grid_of, resample, standardise_pixels

# Mouth crops: differences between faces and cameras, and landmark errors. One draw per clip.
_ZOOM = 0.2  # log scale: up to 22 % larger or smaller
_STRETCH = 0.12  # log aspect: broad and narrow mouths, turned heads
_TILT = 0.15  # radians, 9°: head tilt that the alignment leaves
_SHIFT = 0.12  # of half the crop, 6 px: mouths sit higher or lower in the face
_TURN = 0.15  # the far half of a turned mouth is up to 15 % narrower than its middle, the near half broader
_GAMMA = (0.6, 1.6)  # exponents of the tone curve: cameras and lighting
_LIGHT = 0.5  # light from one side: brightness falls by up to half from the middle to an edge
_BLURRED = 0.25  # share of clips blurred by 3×3, as by low resolution or strong compression
_COARSE, _COARSE_SIDES = 0.2, (16, 40)  # share of clips seen at a lower resolution, and the crop's side in pixels
_SLOW = 0.15  # share of clips with a long exposure: neighbouring frames blend
_COVERED, _COVER_SIDES = 0.15, (0.15, 0.45)  # share of clips with a microphone, hand or caption, and its sides
_CONTRAST = (0.7, 1.3)
_GRAIN = 0.1  # at most, in standard deviations of the picture
_KERNELS = (1, 3, 5, 7)  # sides of the random filters

# Lip geometry, in standard deviations of each component.
_GAIN = 0.3  # log gain: people move their lips more or less along each component
_JITTER = 0.2  # at most, per frame: the landmark noise of small or dark faces
_DRIFT, _DRIFT_KNOTS = 0.3, 6  # at most: slow landmark errors of a moving head, one knot every 0.3 to 0.5 s
_OFFSET = 0.1  # error of the resting shape, which is the clip's mean


def augment_mouths(crops: Tensor, speech_share: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Return augmented `mouth_pixels`, float32 [B, T, 48, 48], of mouth crops, uint8 [B, T, 96, 96]."""
    pixels = resample(crops, grids(len(crops), generator))
    pixels = for_some(_COARSE, partial(_each, _coarse, generator), pixels, generator)
    pixels = for_some(_COVERED, partial(_each, _covered, generator), pixels, generator)
    pixels = standardise_pixels(pixels, speech_share, DEVIATION_FLOOR)
    pixels = for_some(config.random_filter, partial(_each, _filtered, generator), pixels, generator)
    pixels = standardise_pixels(_lit(_toned(pixels, generator), generator), speech_share)
    pixels = for_some(_BLURRED, partial(avg_pool2d, kernel_size=3, stride=1, padding=1), pixels, generator)
    pixels = for_some(_SLOW, _exposed_longer, pixels, generator)
    grain = uniform(0, _GRAIN, pixels, generator) * normal(pixels.shape, generator)
    return pixels * uniform(*_CONTRAST, pixels, generator) + grain


def augment_geometry(geometry: Tensor, generator: Generator) -> Tensor:
    """Return lip geometry, float32 [B, T, K], as of another mouth and with worse landmarks."""
    per_clip = (len(geometry), 1, geometry.shape[2])
    jitter = uniform(0, _JITTER, geometry, generator) * normal(geometry.shape, generator)
    knots = normal((len(geometry), geometry.shape[2], _DRIFT_KNOTS), generator)
    drift = interpolate(knots, size=geometry.shape[1], mode="linear").transpose(1, 2)
    drift = uniform(0, _DRIFT, geometry, generator) * drift
    moved = geometry * (_GAIN * normal(per_clip, generator)).exp()
    return moved + jitter + drift + _OFFSET * normal(per_clip, generator)


def grids(count: int, generator: Generator) -> Tensor:
    """Random maps from the network's pixels to the crop's: affine, and narrower to one side. [count, 48, 48, 2]."""
    zoom, stretch, tilt, right, down, turn = (
        (2 * torch.rand(count, generator=generator, device=generator.device) - 1) * bound
        for bound in (_ZOOM, _STRETCH, _TILT, _SHIFT, _SHIFT, _TURN)
    )
    scale = CENTRAL * zoom.exp()
    across = torch.stack([scale * stretch.exp() * tilt.cos(), -scale * tilt.sin(), right], dim=1)
    along = torch.stack([scale * tilt.sin(), scale * (-stretch).exp() * tilt.cos(), down], dim=1)
    grid = grid_of(torch.stack([across, along], dim=1))
    x, y = grid.unbind(dim=-1)
    return torch.stack([x + turn[:, None, None] * x.square() / 2, y], dim=-1)


def _each(change: Callable[[Tensor, Generator], Tensor], generator: Generator, batch: Tensor) -> Tensor:
    """Every clip of the batch changed on its own, with draws of its own."""
    return torch.stack([change(clip, generator) for clip in batch])


def _coarse(clip: Tensor, generator: Generator) -> Tensor:
    """A clip [T, 48, 48], shrunk and enlarged again."""
    side = _random_integer(*_COARSE_SIDES, generator)
    small = interpolate(clip[None], size=side, mode="bilinear", antialias=True)
    return interpolate(small, size=clip.shape[-1], mode="bilinear")[0]


def _covered(clip: Tensor, generator: Generator) -> Tensor:
    """A clip [T, 48, 48] of grey levels with one rectangle of one grey level, all the time or from some frame on."""
    covered, (frames, side, _) = clip.clone(), clip.shape
    left, top, width, height, start, grey = torch.rand(6, generator=generator, device=generator.device).tolist()
    low, high = _COVER_SIDES
    width, height = (round(side * (low + (high - low) * part)) for part in (width, height))
    left, top = round(left * (side - width)), round(top * (side - height))
    first = round(max(0.0, 2 * start - 1) * frames)
    covered[first:, top : top + height, left : left + width] = 255 * grey
    return covered


def _filtered(clip: Tensor, generator: Generator) -> Tensor:
    """A clip [T, 48, 48] blended with a copy behind a random filter, the same for all frames."""
    side = _KERNELS[_random_integer(0, len(_KERNELS), generator)]
    kernel = normal((1, 1, side, side), generator) / side
    other = conv2d(clip[:, None], kernel, padding=side // 2)[:, 0]
    own = torch.rand((), generator=generator, device=generator.device)
    return own * clip + (1 - own) * (other - other.mean()) / (other.std() + 1e-3)


def _toned(pixels: Tensor, generator: Generator) -> Tensor:
    """Apply a random tone curve between each clip's darkest and brightest pixel, which become 0 and 1."""
    low, high = pixels.amin(dim=(1, 2, 3), keepdim=True), pixels.amax(dim=(1, 2, 3), keepdim=True)
    exponent = uniform(*_GAMMA, pixels, generator)
    return ((pixels - low) / (high - low + 1e-3)).clamp(0, 1) ** exponent


def _lit(pixels: Tensor, generator: Generator) -> Tensor:
    """Light each clip, of pixels 0 to 1, from a random side."""
    place = torch.linspace(-1, 1, pixels.shape[-1], device=pixels.device)
    angle = uniform(0, 2 * math.pi, pixels, generator)
    slope = angle.cos() * place + angle.sin() * place[:, None]
    return pixels * (1 + uniform(0, _LIGHT, pixels, generator) * slope).clamp(min=0)


def _exposed_longer(pixels: Tensor) -> Tensor:
    """Each frame blended with its neighbours, 1:2:1; the first and the last frame stay."""
    blended = pixels.clone()
    blended[:, 1:-1] = (pixels[:, :-2] + 2 * pixels[:, 1:-1] + pixels[:, 2:]) / 4
    return blended


def _random_integer(low: int, stop: int, generator: Generator) -> int:
    return int(torch.randint(low, stop, (), generator=generator, device=generator.device))
