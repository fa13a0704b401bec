"""Augmentation that keeps lips and speech in sync, so that a model of few speakers works on other people.

Each function draws random numbers only from the generator it is given.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from avsync.align.temporal.config import AugmentConfig
from avsync.align.temporal.inputs import CENTRAL, DEVIATION_FLOOR, resample, standardise_pixels

# Mouth crops: differences between faces and cameras, and landmark errors. One draw per clip.
_ZOOM = 0.2  # log scale: up to 22 % larger or smaller
_STRETCH = 0.12  # log aspect: broad and narrow mouths, turned heads
_TILT = 0.15  # radians, 9°: head tilt that the alignment leaves
_SHIFT = 0.12  # of half the crop, 6 px: mouths sit higher or lower in the face
_GAMMA = (0.6, 1.6)  # exponents of the tone curve: cameras and lighting
_BLURRED = 0.25  # share of clips blurred by 3×3, as by low resolution or strong compression
_CONTRAST = (0.7, 1.3)
_GRAIN = 0.1  # at most, in standard deviations of the picture
_KERNELS = (1, 3, 5, 7)  # sides of the random filters

# Lip geometry, in standard deviations of each component.
_GAIN = 0.3  # log gain: people move their lips more or less along each component
_JITTER = 0.2  # at most, per frame: the landmark noise of small or dark faces
_OFFSET = 0.1  # error of the resting shape, which is the clip's mean

# Log mel, in nepers of power.
_VOCAL_TRACT = math.log(1.25)  # warp of the mel axis, from men's to children's vocal tracts
_LOUDNESS, _SLOPE, _COLOUR = 1.0, 0.8, 0.5  # gain, spectral tilt, and a smooth response of a microphone and room
_COLOUR_KNOTS = 6
_NOISY = 0.6  # share of clips with a noise floor added
_FLOOR_BELOW = (3.0, 12.0)  # nepers below the loudest band (13 to 52 dB), tilted and flickering
_FLOOR_SLOPE, _FLOOR_FLICKER = 0.5, 0.6
_MEL_JITTER = 0.1  # as from audio codecs, in single bands


def augment_mouths(crops: Tensor, speech_share: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Return augmented `mouth_pixels`, float32 [B, T, 64, 64], of mouth crops, uint8 [B, T, 96, 96]."""
    pixels = standardise_pixels(resample(crops, _transforms(len(crops), generator)), speech_share, DEVIATION_FLOOR)
    pixels = _filtered(pixels, speech_share, config.random_filter, generator)
    pixels = standardise_pixels(_toned(pixels, generator), speech_share)
    blurred = _uniform(0, 1, pixels, generator) < _BLURRED
    pixels = torch.where(blurred, avg_pool2d(pixels, 3, stride=1, padding=1), pixels)
    grain = _uniform(0, _GRAIN, pixels, generator) * _normal(pixels.shape, generator)
    return pixels * _uniform(*_CONTRAST, pixels, generator) + grain


def augment_geometry(geometry: Tensor, generator: Generator) -> Tensor:
    """Return lip geometry, float32 [B, T, K], as of another mouth and with worse landmarks."""
    per_clip = (len(geometry), 1, geometry.shape[2])
    jitter = _uniform(0, _JITTER, geometry, generator) * _normal(geometry.shape, generator)
    moved = geometry * (_GAIN * _normal(per_clip, generator)).exp()
    return moved + jitter + _OFFSET * _normal(per_clip, generator)


def augment_mel(mel: Tensor, generator: Generator) -> Tensor:
    """Return log mel, float32 [B, 4T, 40] before standardisation, as of another voice, microphone and room."""
    per_clip, slope = (len(mel), 1, 1), torch.linspace(-1, 1, mel.shape[2], device=mel.device)
    mel = _warped(mel, _uniform(-_VOCAL_TRACT, _VOCAL_TRACT, mel, generator).exp())
    colour = interpolate(_normal((len(mel), 1, _COLOUR_KNOTS), generator), size=mel.shape[2], mode="linear")
    mel = mel + _LOUDNESS * _normal(per_clip, generator) + _SLOPE * _normal(per_clip, generator) * slope
    mel = mel + _COLOUR * colour
    floor = mel.amax(dim=(1, 2), keepdim=True) - _uniform(*_FLOOR_BELOW, mel, generator)
    floor = floor + _FLOOR_SLOPE * _normal(per_clip, generator) * slope
    noisy = torch.logaddexp(mel, floor + _FLOOR_FLICKER * _normal(mel.shape, generator))
    mel = torch.where(_uniform(0, 1, mel, generator) < _NOISY, noisy, mel)
    return mel + _MEL_JITTER * _normal(mel.shape, generator)


def _transforms(count: int, generator: Generator) -> Tensor:
    """Random affine maps [count, 2, 3] from the network's pixels to the crop's pixels; half of them mirror."""
    zoom, stretch, tilt, right, down, mirror = (
        (2 * torch.rand(count, generator=generator, device=generator.device) - 1) * bound
        for bound in (_ZOOM, _STRETCH, _TILT, _SHIFT, _SHIFT, 1.0)
    )
    scale, flip = CENTRAL * zoom.exp(), mirror.sign()
    across = torch.stack([scale * stretch.exp() * tilt.cos() * flip, -scale * tilt.sin(), right], dim=1)
    along = torch.stack([scale * tilt.sin() * flip, scale * (-stretch).exp() * tilt.cos(), down], dim=1)
    return torch.stack([across, along], dim=1)


def _filtered(pixels: Tensor, speech_share: Tensor, share: float, generator: Generator) -> Tensor:
    """Blend a share of the clips with a copy behind a random filter, the same filter for all frames of a clip."""
    chosen = torch.rand(len(pixels), generator=generator, device=generator.device) < share
    if not chosen.any():
        return pixels
    mixed = pixels.clone()
    for index in chosen.nonzero()[:, 0].tolist():
        side = _KERNELS[int(torch.randint(len(_KERNELS), (), generator=generator, device=generator.device))]
        kernel = _normal((1, 1, side, side), generator) / side
        other = conv2d(pixels[index][:, None], kernel, padding=side // 2)[None, :, 0]
        own = torch.rand((), generator=generator, device=generator.device)
        other = standardise_pixels(other, speech_share[index : index + 1])[0]
        mixed[index] = own * pixels[index] + (1 - own) * other
    return standardise_pixels(mixed, speech_share)


def _toned(pixels: Tensor, generator: Generator) -> Tensor:
    """Apply a random tone curve between each clip's darkest and brightest pixel, which become 0 and 1."""
    low, high = pixels.amin(dim=(1, 2, 3), keepdim=True), pixels.amax(dim=(1, 2, 3), keepdim=True)
    exponent = _uniform(*_GAMMA, pixels, generator)
    return ((pixels - low) / (high - low + 1e-3)).clamp(0, 1) ** exponent


def _warped(mel: Tensor, factor: Tensor) -> Tensor:
    """Move band `factor`·k to band k; the last band is repeated. `factor` is [B, 1, 1]."""
    last = mel.shape[2] - 1
    at = (torch.arange(last + 1, device=mel.device) * factor).clamp(max=last)
    below = at.floor().long().clamp(max=last - 1)
    low = mel.gather(2, below.expand(mel.shape))
    high = mel.gather(2, (below + 1).expand(mel.shape))
    return low + (high - low) * (at - below)


def _uniform(low: float, high: float, like: Tensor, generator: Generator) -> Tensor:
    """One draw per clip, in a shape that broadcasts with `like`."""
    shape = (len(like), *(1 for _ in like.shape[1:]))
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)
