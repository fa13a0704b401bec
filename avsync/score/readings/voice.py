"""Readings of a voice: how odd a model finds it, and how much of it can be heard."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.media import RATE

_FRAME, _STEP = 512, 160  # samples: 32 ms every 10 ms
# The spectrum is averaged over so many bins, 156 Hz: a single bin of noise is no sound.
_BINS = 5
# Of the loudest twentieth of the frames, where consonants have their high frequencies.
_LOUD = 95
# Energy this far below that of the strongest band is none. Fricatives lie 20 to 40 dB below vowels, the noise of a room
# 40 to 60; filters and codecs that cut a band off leave 60 to 100.
_DEPTH_DB = 60.0
_SILENT = 1e-14  # mean power of a bin; below the rounding noise of 16 bits


@dataclass(frozen=True)
class VoiceWindow:
    """A window of a voice.

    Attributes:
        waveform: float32 [640 T], mono 16 kHz.
        anomaly: the score of the model; high is anomalous.
    """

    waveform: NDArray[np.float32]
    anomaly: float


def voice_anomaly(window: VoiceWindow) -> float:
    """How unlike recorded speech the model finds the voice."""
    return window.anomaly


def bandwidth(window: VoiceWindow) -> float:
    """The highest frequency with energy, in Hz: telephones end below 3500, a whole recording reaches 8000."""
    framed = np.lib.stride_tricks.sliding_window_view(window.waveform, _FRAME)[::_STEP]
    power = np.abs(np.fft.rfft(framed * np.hanning(_FRAME), axis=1)) ** 2 / _FRAME**2
    loud = np.convolve(np.percentile(power, _LOUD, axis=0), np.ones(_BINS) / _BINS, "same")
    level = 10 * np.log10(loud + _SILENT)
    heard = np.flatnonzero((level >= level.max() - _DEPTH_DB) & (loud > _SILENT))
    return float(heard[-1] * RATE / _FRAME) if len(heard) else 0.0
