"""What excites the filters of a vocoder: pulses, sharp or spread in time."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from avsync.media import RATE
from avsync.reconstruct.speech.pitch import Pitch

_TAPS = 16  # of a pulse between two samples
_SPREAD = 0.0015  # s, how much earlier or later a frequency of a dispersed pulse comes
_KNOTS = 9  # where delays are drawn, 1 kHz apart
_DISPERSION = 512  # samples of the filter


def pulse_train(pitch: Pitch, hop: int, length: int) -> NDArray[np.float64]:
    """Return one pulse per period, between samples where needed, of a power of 1 per sample: float64 [length]."""
    voiced = np.flatnonzero(pitch.f0)
    if not len(voiced):
        return np.zeros(length)
    # Pitch runs on through frames without voice, so that pulses neither begin nor end within a frame.
    f0 = np.interp(np.arange(length) / hop, voiced, pitch.f0[voiced])
    cycles = np.cumsum(f0 / RATE)
    whole = np.arange(1, int(cycles[-1]) + 1)
    at = np.interp(whole, cycles, np.arange(length))
    first = np.floor(at).astype(int) - _TAPS // 2 + 1
    taps = first[:, None] + np.arange(_TAPS)
    distance = taps - at[:, None]
    shape = np.sinc(distance) * np.cos(np.pi * distance / (_TAPS + 2)) ** 2
    pulses = np.zeros(length + 2 * _TAPS)
    np.add.at(pulses, taps + _TAPS, shape * np.sqrt(RATE / np.interp(at, np.arange(length), f0))[:, None])
    return pulses[_TAPS : _TAPS + length]


def polarity(rng: np.random.Generator) -> float:
    """Return 1 or -1: microphones turn waves upside down or not, and so must pulses that all point one way."""
    return float(rng.choice((-1.0, 1.0)))


def dispersion(rng: np.random.Generator, bins: int) -> NDArray[np.float64]:
    """Return phases at evenly spaced frequencies from 0 to 8 kHz, [bins], that delay each by a random ±1.5 ms.

    Real voices are no sharp pulses either; without it, the peaks of a vocoder give it away.
    """
    delays = np.interp(np.linspace(0, _KNOTS - 1, bins), np.arange(_KNOTS), rng.uniform(-_SPREAD, _SPREAD, _KNOTS))
    return np.asarray(-2 * np.pi * np.cumsum(delays) * RATE / 2 / (bins - 1))


def dispersed(pulses: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return pulses [N] through an all-pass filter with the phases of `dispersion`."""
    phases = dispersion(rng, _DISPERSION // 2 + 1)
    taps = np.fft.fftshift(np.fft.irfft(np.exp(1j * phases)))
    return np.asarray(fftconvolve(np.pad(pulses, (0, 1)), taps, mode="same")[1:])
