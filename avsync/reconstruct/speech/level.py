"""What a reconstruction keeps besides words and voice: level and long-term spectrum, so that neither gives it away."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from avsync.reconstruct.speech.stft import STFT, hann

_LONG_TERM = STFT(1024, 512)
_SMOOTH = 5  # bins of 15.6 Hz: as steep as the low-pass filters of lossy audio
# A band that is missing cannot be brought back, one that should be empty can be emptied.
_LEAST, _MOST = 10 ** (-60 / 20), 10 ** (12 / 20)


def equalised(rebuilt: NDArray[np.float32], original: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a sound filtered to the long-term average spectrum of another one of the same length, float32 [N].

    The filter is the same for the whole sound, has 64 ms and no delay. Recordings often are empty above some frequency
    (MP3), and smooth envelopes fill such bands: that would be learned in place of the traces of synthesis.
    """
    wanted, found = _long_term(original), _long_term(rebuilt)
    gain = np.clip(np.sqrt(wanted / np.maximum(found, 1e-20)), _LEAST, _MOST)
    taps = np.fft.fftshift(np.fft.irfft(gain)) * hann(_LONG_TERM.size)
    return np.asarray(fftconvolve(np.pad(rebuilt, (0, 1)), taps, mode="same")[1:], np.float32)


def level(samples: NDArray[np.floating]) -> float:
    """The root mean square; 0 without samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def _long_term(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    power = (np.abs(_LONG_TERM.forward(samples)) ** 2).mean(axis=0, dtype=np.float64)
    return np.asarray(uniform_filter1d(power, _SMOOTH))
