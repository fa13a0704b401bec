"""Changes that leave lips and speech in step: what makes a model of few speakers serve strangers.

Each function draws from the generator it is given, and from nothing else.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from avsync.align.temporal.inputs import SHOWN, resample, standardise_pixels

# Mouth crops: what differs between faces, cameras and landmark errors. One draw per clip.
_ZOOM = 0.2  # log scale: faces are cut up to 22 % larger or smaller
_STRETCH = 0.12  # log aspect: broad and narrow mouths, heads turned aside
_TILT = 0.15  # radians, 9°: what the alignment leaves of a tilted head
_SHIFT = 0.12  # of half the crop, 6 px: mouths sit higher or lower in faces
_GAMMA = (0.6, 1.6)  # exponents of the tone curve: cameras and lighting
_BLURRED = 0.25  # share of clips blurred by 3×3: low resolution, strong compression
_CONTRAST = (0.7, 1.3)
_GRAIN = 0.1  # at most, in standard deviations of the picture
_KERNELS = (1, 3, 5, 7)  # sides of the random filters

# Lip geometry, in standard deviations of each component.
_GAIN = 0.3  # log gain: mouths differ in how far they move along each component
_JITTER = 0.2  # at most, per frame: landmark noise of small or dark faces is as large
_OFFSET = 0.1  # another resting shape than the clip's mean says

# Log mel, in nepers of power.
_VOCAL_TRACT = math.log(1.25)  # warp of the mel axis: from men's to children's vocal tracts
_LOUDNESS, _SLOPE, _COLOUR = 1.0, 0.8, 0.5  # gain, spectral tilt, and a smooth response of a microphone and room
_COLOUR_KNOTS = 6
_NOISY = 0.6  # share of clips with a noise floor added,
_FLOOR_BELOW = (3.0, 12.0)  # so far below the loudest band (13 to 52 dB), tilted and flickering:
_FLOOR_SLOPE, _FLOOR_FLICKER = 0.5, 0.6
_MEL_JITTER = 0.1  # what coding does to single bands


@dataclass(frozen=True)
class AugmentConfig:
    """The changes worth tuning; the others are constants of this module.

    Attributes:
        speed: lips and speech together are played up to exp(±speed) times faster.
        random_filter: share of clips whose pictures are mixed with themselves behind a random filter (RandConv, Xu et
            al., ICLR 2021): shapes stay, textures change.
    """

    speed: float = 0.25
    random_filter: float = 0.3

    def __post_init__(self) -> None:
        if not (0 <= self.speed <= 1 and 0 <= self.random_filter <= 1):
            raise ValueError("augment.speed and augment.random_filter must be in [0, 1]")


def augment_mouths(crops: Tensor, speech: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Mouth crops, uint8 [B, T, 96, 96], as altered `mouth_pixels`, float32 [B, T, 64, 64]."""
    pixels = standardise_pixels(resample(crops, _transforms(len(crops), generator)), speech, floor=4.0)
    pixels = _filtered(pixels, speech, config.random_filter, generator)
    pixels = standardise_pixels(_toned(pixels, generator), speech)
    blurred = _uniform(0, 1, pixels, generator) < _BLURRED
    pixels = torch.where(blurred, avg_pool2d(pixels, 3, stride=1, padding=1), pixels)
    grain = _uniform(0, _GRAIN, pixels, generator) * _normal(pixels.shape, generator)
    return pixels * _uniform(*_CONTRAST, pixels, generator) + grain


def augment_geometry(geometry: Tensor, generator: Generator) -> Tensor:
    """Lip geometry, float32 [B, T, K], of another mouth and worse landmarks."""
    of_clip = (len(geometry), 1, geometry.shape[2])
    jitter = _uniform(0, _JITTER, geometry, generator) * _normal(geometry.shape, generator)
    moved = geometry * (_GAIN * _normal(of_clip, generator)).exp()
    return moved + jitter + _OFFSET * _normal(of_clip, generator)


def augment_mel(mel: Tensor, generator: Generator) -> Tensor:
    """Log mel energies, float32 [B, 4T, 40] before standardisation, of another voice, microphone and room."""
    of_clip, slope = (len(mel), 1, 1), torch.linspace(-1, 1, mel.shape[2], device=mel.device)
    mel = _warped(mel, _uniform(-_VOCAL_TRACT, _VOCAL_TRACT, mel, generator).exp())
    colour = interpolate(_normal((len(mel), 1, _COLOUR_KNOTS), generator), size=mel.shape[2], mode="linear")
    mel = mel + _LOUDNESS * _normal(of_clip, generator) + _SLOPE * _normal(of_clip, generator) * slope
    mel = mel + _COLOUR * colour
    floor = mel.amax(dim=(1, 2), keepdim=True) - _uniform(*_FLOOR_BELOW, mel, generator)
    floor = floor + _FLOOR_SLOPE * _normal(of_clip, generator) * slope
    noisy = torch.logaddexp(mel, floor + _FLOOR_FLICKER * _normal(mel.shape, generator))
    mel = torch.where(_uniform(0, 1, mel, generator) < _NOISY, noisy, mel)
    return mel + _MEL_JITTER * _normal(mel.shape, generator)


def _transforms(count: int, generator: Generator) -> Tensor:
    """Affine maps [count, 2, 3] from the network's pixels to those of the crop; half of them mirror."""
    zoom, stretch, tilt, right, down, mirror = (
        (2 * torch.rand(count, generator=generator, device=generator.device) - 1) * bound
        for bound in (_ZOOM, _STRETCH, _TILT, _SHIFT, _SHIFT, 1.0)
    )
    scale, flip = SHOWN * zoom.exp(), mirror.sign()
    across = torch.stack([scale * stretch.exp() * tilt.cos() * flip, -scale * tilt.sin(), right], dim=1)
    along = torch.stack([scale * tilt.sin() * flip, scale * (-stretch).exp() * tilt.cos(), down], dim=1)
    return torch.stack([across, along], dim=1)


def _filtered(pixels: Tensor, speech: Tensor, share: float, generator: Generator) -> Tensor:
    """Some clips blended with themselves behind one random filter, the same on all their frames."""
    chosen = torch.rand(len(pixels), generator=generator, device=generator.device) < share
    if not chosen.any():
        return pixels
    mixed = pixels.clone()
    for index in chosen.nonzero()[:, 0].tolist():
        side = _KERNELS[int(torch.randint(len(_KERNELS), (), generator=generator, device=generator.device))]
        kernel = _normal((1, 1, side, side), generator) / side
        other = conv2d(pixels[index][:, None], kernel, padding=side // 2)[None, :, 0]
        own = torch.rand((), generator=generator, device=generator.device)
        other = standardise_pixels(other, speech[index : index + 1])[0]
        mixed[index] = own * pixels[index] + (1 - own) * other
    return standardise_pixels(mixed, speech)


def _toned(pixels: Tensor, generator: Generator) -> Tensor:
    """A random tone curve between each clip's darkest and brightest pixel, 0 to 1."""
    low, high = pixels.amin(dim=(1, 2, 3), keepdim=True), pixels.amax(dim=(1, 2, 3), keepdim=True)
    exponent = _uniform(*_GAMMA, pixels, generator)
    return ((pixels - low) / (high - low + 1e-3)).clamp(0, 1) ** exponent


def _warped(mel: Tensor, factor: Tensor) -> Tensor:
    """Band k becomes what band `factor`·k was, [B, 1, 1]; the last band is repeated."""
    last = mel.shape[2] - 1
    at = (torch.arange(last + 1, device=mel.device) * factor).clamp(max=last)
    below = at.floor().long().clamp(max=last - 1)
    low = mel.gather(2, below.expand(mel.shape))
    high = mel.gather(2, (below + 1).expand(mel.shape))
    return low + (high - low) * (at - below)


def _uniform(low: float, high: float, like: Tensor, generator: Generator) -> Tensor:
    """One draw per clip, shaped to broadcast with `like`."""
    shape = (len(like), *(1 for _ in like.shape[1:]))
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)
