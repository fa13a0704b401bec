"""What holds for every reconstruction: length, level and long-term spectrum stay, so that none gives it away."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from avsync.media import RATE
from avsync.reconstruct.speech.interface import Rebuild
from avsync.reconstruct.speech.stft import STFT, hann
from avsync.speech.level import rms

# Speech is mirrored by so many samples at both ends, so that frames at the ends are as full as others. The rng adds up
# to one step, so that frames do not begin at the same place in every file.
_MARGIN, _STEP = 2048, 512
_LEVEL = 0.1  # root mean square of what methods get: they have noise floors and tolerances of their own
# Longer sound is rebuilt in pieces, which bounds the memory; a piece fades into the next.
_PIECE, _FADE = 60 * RATE, RATE // 50
_LONG_TERM = STFT(1024, 512)
_SMOOTH = 5  # bins of 15.6 Hz: as steep as the low-pass filters of lossy audio
# A band that is missing cannot be brought back, one that should be empty can be emptied.
_LEAST, _MOST = 10 ** (-60 / 20), 10 ** (12 / 20)


def framed(rebuild: Rebuild) -> Rebuild:
    """Return a function that keeps the promises of `load_reconstruction` from one that does not."""

    def whole(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        done = np.zeros(len(waveform), np.float64)
        for start in range(0, max(1, len(waveform) - _FADE), _PIECE):
            piece = _rebuilt(rebuild, waveform[start : start + _PIECE + _FADE], rng)
            fade = np.minimum(1, (np.arange(len(piece)) + 0.5) / _FADE) if start else np.ones(len(piece))
            done[start : start + len(piece)] *= 1 - fade
            done[start : start + len(piece)] += fade * piece
        loudest = float(np.abs(waveform).max(initial=1.0))
        return (done / max(1.0, float(np.abs(done).max(initial=0.0)) / loudest)).astype(np.float32)

    return whole


def equalised(rebuilt: NDArray[np.float32], original: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a sound filtered to the long-term average spectrum of another one of the same length, float32 [N].

    The filter is the same for the whole sound, has 64 ms and no delay. Recordings often are empty above some frequency
    (MP3), and smooth envelopes fill such bands: that would be learned in place of the traces of synthesis.
    """
    wanted, found = _long_term(original), _long_term(rebuilt)
    gain = np.clip(np.sqrt(wanted / np.maximum(found, 1e-20)), _LEAST, _MOST)
    taps = np.fft.fftshift(np.fft.irfft(gain)) * hann(_LONG_TERM.size)
    return np.asarray(fftconvolve(np.pad(rebuilt, (0, 1)), taps, mode="same")[1:], np.float32)


def _rebuilt(rebuild: Rebuild, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rebuild at most a minute, with the mean and the level it has."""
    mean = waveform.mean(dtype=np.float64) if len(waveform) else 0.0
    changes = waveform - mean
    level = rms(changes)
    if level <= abs(mean) * 1e-6:
        return waveform.astype(np.float64)
    before, after = _MARGIN + rng.integers(_STEP, size=2)
    usual = np.pad(changes * (_LEVEL / level), (before, after), mode="reflect").astype(np.float32)
    around = equalised(np.asarray(rebuild(usual, rng), np.float32), usual)
    rebuilt = around[before : before + len(waveform)].astype(np.float64)
    rebuilt -= rebuilt.mean()
    return rebuilt * (level / max(rms(rebuilt), 1e-30)) + mean


def _long_term(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    power = (np.abs(_LONG_TERM.forward(samples)) ** 2).mean(axis=0, dtype=np.float64)
    return np.asarray(uniform_filter1d(power, _SMOOTH))
