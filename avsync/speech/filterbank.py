"""Log mel filterbank: what the default audio encoder hears."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from avsync.media import RATE

HOP = RATE // 100  # 10 ms, the frame shift of every speech front end
WINDOW = RATE // 40  # 25 ms
BANDS = 40
_FFT = 512
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
_LOWEST, _HIGHEST = 60.0, 7600.0  # Hz; phone and web audio carry little beyond
_FLOOR = 1e-7  # mean power of 16-bit rounding noise in a band; keeps digital zero finite


def log_mel(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural-log mel energies at 100 Hz.

    Args:
        waveform: float32 [n] at 16 kHz.

    Returns:
        float32 [n // 160, 40]; frame i is centred on sample 160 i + 80.
    """
    count = len(waveform) // HOP
    margin = (WINDOW - HOP) // 2
    padded = np.pad(waveform, (margin, margin + WINDOW))
    framed = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    spectrum = np.abs(np.fft.rfft(framed * _HANN, _FFT)) ** 2
    return np.asarray(np.log(spectrum @ _triangles() + _FLOOR), np.float32)


@cache
def _triangles() -> NDArray[np.float64]:
    """Triangular filters, equally spaced in mel (O'Shaughnessy 1987): [257, 40]."""
    mel = np.linspace(_to_mel(_LOWEST), _to_mel(_HIGHEST), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(_FFT // 2 + 1)[:, None] * RATE / _FFT
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * 2 / _FFT


def _to_mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
