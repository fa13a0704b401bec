"""Log mel filterbanks: `log_mel` for our speech encoder, `log_filterbank` for AV-HuBERT.

Both take frames of 25 ms every 10 ms and sum the power of 512 FFT bins through triangles that are equally spaced in
mel (O'Shaughnessy 1987). They differ in everything else, as the networks were trained on one or the other.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from avsync.media import RATE

HOP = RATE // 100  # 10 ms
WINDOW = RATE // 40  # 25 ms
BANDS = 40  # of `log_mel`
STEPS_PER_FRAME = 4  # steps of 10 ms in a frame of 40 ms
_FFT = 512
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
_LOWEST, _HIGHEST = 60.0, 7600.0  # Hz; phone and web audio carry little beyond
_FLOOR = 1e-7  # mean power of 16-bit rounding noise in a band; keeps digital zero finite

FILTERBANK_BANDS = 26  # of `log_filterbank`
_PRE_EMPHASIS = 0.97


def log_mel(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return natural-log energies of 40 mel bands from 60 to 7600 Hz at 100 Hz, of 25 ms with a Hann window.

    Args:
        waveform: float32 [n] at 16 kHz.

    Returns:
        float32 [n // 160, 40]; row i is centred on sample 160 i + 80.
    """
    count = len(waveform) // HOP
    margin = (WINDOW - HOP) // 2
    framed = _framed(np.pad(waveform, (margin, margin + WINDOW)))[:count]
    spectrum = np.abs(np.fft.rfft(framed * _HANN, _FFT)) ** 2
    return np.asarray(np.log(spectrum @ _mel_filters() + _FLOOR), np.float32)


def mel_triangles(bands: int, fft: int, lowest: float, highest: float) -> NDArray[np.float64]:
    """Return triangles that are equally spaced in mel from `lowest` to `highest` Hz, float64 [fft // 2 + 1, bands]."""
    corners = _from_mel(np.linspace(_to_mel(lowest), _to_mel(highest), bands + 2))
    return _triangles(corners, _bins(fft) * RATE / fft)


def slaney_triangles(bands: int, fft: int, rate: int, highest: float) -> NDArray[np.float64]:
    """Return triangles of equal area, float64 [fft // 2 + 1, bands], equally spaced on Slaney's mel scale from 0 Hz.

    That scale is linear up to 1 kHz and logarithmic above (Slaney, Auditory Toolbox, 1998); vocoders are trained on it.
    """
    step, knee = 200 / 3, 1000.0
    growth = np.log(6.4) / 27
    last = knee / step + np.log(highest / knee) / growth
    mel = np.linspace(0, last, bands + 2)
    corners = np.where(mel < knee / step, mel * step, knee * np.exp(growth * (mel - knee / step)))
    return np.asarray(_triangles(corners, _bins(fft) * rate / fft) * 2 / (corners[2:] - corners[:-2]))


def log_filterbank(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return natural-log energies of 26 mel bands from 0 to 8 kHz at 100 Hz, of 25 ms without a window function.

    Args:
        samples: any real dtype, [n] at 16 kHz, n at least 1; the end is padded with zeros.

    Returns:
        float32 [1 + ceil((n - 400) / 160), 26]; a band without energy is the log of float64's epsilon.
    """
    sound = samples.astype(np.float64)
    sound[1:] -= _PRE_EMPHASIS * sound[:-1]
    count = 1 + max(0, -(-(len(sound) - WINDOW) // HOP))
    framed = _framed(np.pad(sound, (0, (count - 1) * HOP + WINDOW - len(sound))))
    energies = (np.abs(np.fft.rfft(framed, _FFT)) ** 2 / _FFT) @ _bin_filters()
    return np.log(np.where(energies == 0, np.finfo(np.float64).eps, energies)).astype(np.float32)


def _framed(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]


@cache
def _mel_filters() -> NDArray[np.float64]:
    """Filters of `log_mel` with their corners anywhere between FFT bins, scaled to mean power: [257, 40]."""
    return mel_triangles(BANDS, _FFT, _LOWEST, _HIGHEST) * 2 / _FFT


@cache
def _bin_filters() -> NDArray[np.float64]:
    """Filters of `log_filterbank` with their corners rounded down to FFT bins: [257, 26]."""
    corners = _from_mel(np.linspace(0, _to_mel(RATE / 2), FILTERBANK_BANDS + 2))
    return _triangles(np.floor((_FFT + 1) * corners / RATE), _bins(_FFT))


def _bins(fft: int) -> NDArray[np.float64]:
    return np.arange(fft // 2 + 1, dtype=np.float64)[:, None]


def _triangles(corners: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Triangles that rise from each corner to the next one and fall to the one after: [len(at), len(corners) - 2]."""
    rising = (at - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - at) / (corners[2:] - corners[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _to_mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))
