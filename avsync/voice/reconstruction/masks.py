"""Change spectrograms while a network learns, so that it looks everywhere and relies on no one band or moment."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

_EXCHANGED, _IN_TIME = 0.5, 0.6  # share of pairs with an exchanged part, and of these with a stretch, not a band
_BAND, _WIDEST = 0.4, 30  # share of spectrograms with a hidden band, and its rows at most (0.9 kHz)
_TOP, _LOWEST = 0.3, 80  # share without the highest frequencies, and the lowest row where they begin (2.5 kHz)


class Places(NamedTuple):
    """Spectrograms, and which of their places were rebuilt.

    Attributes:
        spectrograms: float32 [B, F, M].
        rebuilt: float32 [B, F, M], 1 where a place was rebuilt, else 0.
    """

    spectrograms: Tensor
    rebuilt: Tensor


def exchanged(real: Tensor, rebuilt: Tensor, generator: Generator) -> Places:
    """Real and rebuilt log spectrograms of the same speech, with a stretch or a band of some pairs exchanged.

    After CutMix (Yun et al., ICCV 2019). Each place then has its own label.

    Args:
        real, rebuilt: float32 [B, F, M].
        generator: of all draws.

    Returns:
        `Places` of 2 B spectrograms, those that began as real first.
    """
    count, rows, columns = real.shape
    stretch = _inside(columns, count, generator, real)[:, None, :].expand(real.shape)
    band = _inside(rows, count, generator, real)[:, :, None].expand(real.shape)
    part = torch.where(_drawn(count, generator, real)[:, :, None] < _IN_TIME, stretch, band)
    part = part & (_drawn(count, generator, real)[:, :, None] < _EXCHANGED)
    spectrograms = torch.cat([torch.where(part, rebuilt, real), torch.where(part, real, rebuilt)])
    return Places(spectrograms, torch.cat([part, ~part]).float())


def masked(spectrograms: Tensor, generator: Generator) -> Tensor:
    """Return log spectrograms, float32 [B, F, M], with bands set to their mean over time, which is zero."""
    count, rows = spectrograms.shape[:2]
    row = torch.arange(rows, device=spectrograms.device)
    start = rows * _drawn(count, generator, spectrograms)
    width = 1 + (_WIDEST - 1) * _drawn(count, generator, spectrograms)
    top = _LOWEST + (rows - _LOWEST) * _drawn(count, generator, spectrograms)
    hidden = (_drawn(count, generator, spectrograms) < _BAND) & (row >= start) & (row < start + width)
    hidden |= (_drawn(count, generator, spectrograms) < _TOP) & (row >= top)
    return spectrograms.masked_fill(hidden[:, :, None], 0.0)


def _inside(length: int, count: int, generator: Generator, like: Tensor) -> Tensor:
    """Whether each of `length` places is between two random ones: bool [count, length]."""
    ends = torch.cat([_drawn(count, generator, like), _drawn(count, generator, like)], dim=1).sort(dim=1).values
    at = torch.arange(length, device=like.device) / length
    return (at >= ends[:, :1]) & (at < ends[:, 1:])


def _drawn(count: int, generator: Generator, like: Tensor) -> Tensor:
    """Uniform in [0, 1): float32 [count, 1]."""
    return torch.rand((count, 1), generator=generator, device=generator.device).to(like.device)
