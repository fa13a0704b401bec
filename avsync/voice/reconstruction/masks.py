"""Hide parts of spectrograms while a network learns, so that it does not rely on one band or moment."""

import torch
from torch import Generator, Tensor

_BAND, _WIDEST = 0.4, 30  # share of spectrograms with a hidden band, and its rows at most (0.9 kHz)
_TOP, _LOWEST = 0.3, 80  # share without the highest frequencies, and the lowest row where they begin (2.5 kHz)


def masked(spectrograms: Tensor, generator: Generator) -> Tensor:
    """Return log spectrograms, float32 [B, F, M], with bands set to their mean over time, which is zero."""
    count, rows = spectrograms.shape[:2]

    def drawn(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((count, 1), generator=generator, device=spectrograms.device)

    row = torch.arange(rows, device=spectrograms.device)
    start = drawn(0, rows)
    hidden = (drawn(0, 1) < _BAND) & (row >= start) & (row < start + drawn(1, _WIDEST))
    hidden |= (drawn(0, 1) < _TOP) & (row >= drawn(_LOWEST, rows))
    return spectrograms.masked_fill(hidden[:, :, None], 0.0)
