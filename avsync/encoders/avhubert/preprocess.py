"""What AV-HuBERT hears and sees: a stacked log filterbank, and normalised mouth pixels."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from avsync.face import LIP_ROWS
from avsync.media import RATE

Floats = NDArray[np.float32]

STACKED = 4  # filterbank steps of 10 ms to a frame of 40 ms
AUDIO_FEATURES = 26 * STACKED
_BANDS, _WINDOW, _HOP, _FFT = AUDIO_FEATURES // STACKED, RATE // 40, RATE // 100, 512
_PRE_EMPHASIS = 0.97
_FULL_SCALE = 32768.0  # of 16-bit samples
_LAYER_NORM_EPS = 1e-5
# Mean and standard deviation of grey mouth crops scaled to 0-1, as in lip reading since Petridis et al. (ICASSP 2018).
_MEAN, _STD = 0.421, 0.165


def hear(waveform: Floats) -> Floats:
    """The audio input of a clip of T frames.

    The networks were trained on 16-bit samples, so the waveform is brought to that scale and rounded. The layer norm
    would take out a gain, but not beside digital silence, whose bands have a constant however loud full scale is.

    Args:
        waveform: float32 [640 T] at 16 kHz in [-1, 1].

    Returns:
        float32 [T, 104].
    """
    samples = np.clip(np.rint(waveform * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    return normalised(stacked(log_filterbank(samples)))


def see(mouths: NDArray[np.uint8]) -> Floats:
    """The video input: the middle of grey mouth crops, uint8 [T, 96, 96], normalised: float32 [T, 88, 88]."""
    grey = mouths[:, LIP_ROWS, LIP_ROWS].astype(np.float32) / 255
    return np.asarray((grey - _MEAN) / _STD, np.float32)


def log_filterbank(samples: NDArray[np.generic]) -> Floats:
    """Natural-log energies of 26 mel bands at 100 Hz, of 25 ms without a window function; the end is filled with zeros.

    Args:
        samples: any real dtype, [n] at 16 kHz, n at least 1.

    Returns:
        float32 [1 + ceil((n - 400) / 160), 26]; a band without energy has the log of float64's epsilon.
    """
    sound = samples.astype(np.float64)
    sound[1:] -= _PRE_EMPHASIS * sound[:-1]
    count = 1 + max(0, -(-(len(sound) - _WINDOW) // _HOP))
    padded = np.pad(sound, (0, (count - 1) * _HOP + _WINDOW - len(sound)))
    framed = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    energies = (np.abs(np.fft.rfft(framed, _FFT)) ** 2 / _FFT) @ _triangles()
    return np.log(np.where(energies == 0, np.finfo(np.float64).eps, energies)).astype(np.float32)


def stacked(bands: Floats) -> Floats:
    """Four steps of 10 ms to a frame: float32 [n, 26] to [ceil(n / 4), 104], zeros after the last step."""
    filled = np.pad(bands, ((0, -len(bands) % STACKED), (0, 0)))
    return filled.reshape(-1, STACKED * bands.shape[1])


def normalised(features: Floats) -> Floats:
    """Each frame, float32 [T, 104], minus its mean, divided by its standard deviation."""
    # In float64: the values of digital silence are all the same, and rounding must not be taken for sound.
    centred = features - features.mean(axis=1, keepdims=True, dtype=np.float64)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + _LAYER_NORM_EPS), np.float32)


@cache
def _triangles() -> NDArray[np.float64]:
    """Triangles with corners on whole FFT bins, equally spaced in mel from 0 to 8 kHz: [257, 26]."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), _BANDS + 2)
    corners = np.floor((_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE)
    bins = np.arange(_FFT // 2 + 1)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))
