"""Augmentation of log mel: other voices, rooms, microphones, noise and codecs."""

import math
from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv1d, interpolate, pad

from avsync.align.temporal.augment.draws import for_some, normal, uniform
from avsync.media import FPS
from avsync.speech.filterbank import STEPS_PER_FRAME

_RATE = FPS * STEPS_PER_FRAME  # steps of log mel per second

# In nepers of power (1 neper = 4.3 dB).
_VOCAL_TRACT = math.log(1.25)  # warp of the mel axis, from men's to children's vocal tracts
_LOUDNESS, _SLOPE, _COLOUR = 1.0, 0.8, 0.5  # gain, spectral tilt, and a smooth response of a microphone and room
_COLOUR_KNOTS = 6
_NOISY = 0.6  # share of clips with a noise floor added
_FLOOR_BELOW = (3.0, 12.0)  # nepers below the loudest band (13 to 52 dB), tilted and flickering
_FLOOR_SLOPE, _FLOOR_FLICKER = 0.5, 0.6
_BABBLE, _BABBLE_BELOW = 0.25, (1.0, 5.0)  # share of clips with another voice behind, 4 to 22 dB softer
_MUSIC, _MUSIC_BELOW = 0.15, (1.0, 6.0)  # share of clips with held tones, 4 to 26 dB below the loudest band
_TONE, _NOTE = 0.15, 0.3  # share of bands that sound, and the length of a note (s)
_ECHOING, _DECAY, _ECHO = (
    0.25,
    (0.2, 0.8),
    (0.05, 0.5),
)  # share in a room; s to -60 dB; first echo to direct power
_ECHO_STEPS = 50  # of 10 ms: what comes later is softer than the noise
_NARROW, _LOWEST_CUT = 0.15, 0.6  # share of clips of narrow band, and the lowest band cut, of all bands
_MASKED, _MASK_SECONDS, _MASK_BANDS = 0.5, 0.15, 6  # share of clips with a stretch and some bands hidden; their extent
_MEL_JITTER = 0.1  # as from audio codecs, in single bands


def augment_mel(mel: Tensor, generator: Generator) -> Tensor:
    """Return log mel, float32 [B, 4T, 40] before standardisation, as of another voice, microphone and room."""
    per_clip, slope = (len(mel), 1, 1), torch.linspace(-1, 1, mel.shape[2], device=mel.device)
    mel = _warped(mel, uniform(-_VOCAL_TRACT, _VOCAL_TRACT, mel, generator).exp())
    mel = for_some(_ECHOING, partial(_echoing, generator), mel, generator)
    # The other voice is that of a clip half a batch away, most often of another speaker.
    softer = mel.roll(len(mel) // 2, dims=0) - uniform(*_BABBLE_BELOW, mel, generator)
    babble = torch.logaddexp(mel, softer)
    mel = torch.where(uniform(0, 1, mel, generator) < _BABBLE, babble, mel)
    mel = for_some(_MUSIC, partial(_music, generator), mel, generator)
    colour = interpolate(normal((len(mel), 1, _COLOUR_KNOTS), generator), size=mel.shape[2], mode="linear")
    mel = mel + _LOUDNESS * normal(per_clip, generator) + _SLOPE * normal(per_clip, generator) * slope
    mel = for_some(_NOISY, partial(_noisy, generator), mel + _COLOUR * colour, generator)
    mel = for_some(_NARROW, partial(_narrow, generator), mel, generator)
    mel = for_some(_MASKED, partial(_masked, generator), mel, generator)
    return mel + _MEL_JITTER * normal(mel.shape, generator)


def _noisy(generator: Generator, mel: Tensor) -> Tensor:
    """Add a noise floor."""
    slope = torch.linspace(-1, 1, mel.shape[2], device=mel.device)
    floor = _loudest(mel) - uniform(*_FLOOR_BELOW, mel, generator)
    floor = floor + _FLOOR_SLOPE * normal((len(mel), 1, 1), generator) * slope
    return torch.logaddexp(mel, floor + _FLOOR_FLICKER * normal(mel.shape, generator))


def _loudest(mel: Tensor) -> Tensor:
    return mel.amax(dim=(1, 2), keepdim=True)


def _warped(mel: Tensor, factor: Tensor) -> Tensor:
    """Move band `factor`·k to band k; the last band is repeated. `factor` is [B, 1, 1]."""
    last = mel.shape[2] - 1
    at = (torch.arange(last + 1, device=mel.device) * factor).clamp(max=last)
    below = at.floor().long().clamp(max=last - 1)
    low = mel.gather(2, below.expand(mel.shape))
    high = mel.gather(2, (below + 1).expand(mel.shape))
    return low + (high - low) * (at - below)


def _echoing(generator: Generator, mel: Tensor) -> Tensor:
    """Add a decaying echo to the power of each band (Polack's model of reverberation: noise that decays)."""
    after = torch.arange(1, _ECHO_STEPS, device=mel.device) / _RATE
    decay = (-math.log(1e6) * after / uniform(*_DECAY, mel, generator)).exp()[:, 0]  # [B, steps]
    first = uniform(*_ECHO, mel, generator)[:, 0]
    kernel = torch.cat([torch.ones_like(first), first * decay], dim=1).flip(1)
    power = pad((mel - _loudest(mel)).exp().transpose(1, 2), (_ECHO_STEPS - 1, 0))  # [B, bands, steps]
    heard = conv1d(power.transpose(0, 1), kernel[:, None], groups=len(mel)).transpose(0, 1)
    return heard.clamp(min=1e-12).log().transpose(1, 2) + _loudest(mel)


def _music(generator: Generator, mel: Tensor) -> Tensor:
    """Add tones that are held for a note."""
    notes = math.ceil(mel.shape[1] / (_NOTE * _RATE))
    drawn = torch.rand((len(mel), notes, mel.shape[2]), generator=generator, device=generator.device) < _TONE
    sounding = drawn.repeat_interleave(math.ceil(mel.shape[1] / notes), dim=1)[:, : mel.shape[1]]
    loudness = _loudest(mel) - uniform(*_MUSIC_BELOW, mel, generator)
    return torch.where(sounding, torch.logaddexp(mel, loudness), mel)


def _narrow(generator: Generator, mel: Tensor) -> Tensor:
    """Silence the bands above a random one, as telephones and low bit rates do."""
    bands = mel.shape[2]
    cut = uniform(_LOWEST_CUT * bands, bands, mel, generator)
    softest = mel.amin(dim=(1, 2), keepdim=True)
    return torch.where(torch.arange(bands, device=mel.device) < cut, mel, softest)


def _masked(generator: Generator, mel: Tensor) -> Tensor:
    """Hide a short stretch and a few bands behind their mean (SpecAugment, Park et al., Interspeech 2019)."""
    steps, bands = mel.shape[1:]
    time, band = torch.arange(steps, device=mel.device)[:, None], torch.arange(bands, device=mel.device)
    longest = _MASK_SECONDS * _RATE
    start, low = uniform(0, steps, mel, generator), uniform(0, bands, mel, generator)
    hidden = (time >= start) & (time < start + uniform(0, longest, mel, generator))
    hidden = hidden | (band >= low) & (band < low + uniform(0, _MASK_BANDS, mel, generator))
    return torch.where(hidden, mel.mean(dim=1, keepdim=True), mel)
