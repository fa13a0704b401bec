"""Readings of a voice: how odd a model finds it, and how much of it can be heard."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

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
# Reverberation is heard best where speech is strong: eight bands of half an octave.
_BAND_EDGES = np.geomspace(300.0, 4000.0, 9)  # Hz
# In each band, how far the sound falls in 80 ms from moments at most 20 dB below the loudest; the fastest twentieth.
_FALL, _STRONG_DB, _FASTEST = 8, 20.0, 95


@dataclass(frozen=True)
class VoiceWindow:
    """A window of a voice.

    Attributes:
        waveform: float32 [640 T], mono 16 kHz.
        anomaly: the score of the model; high is anomalous.
    """

    waveform: NDArray[np.float32]
    anomaly: float

    @cached_property
    def power(self) -> NDArray[np.float64]:
        """The power of each frame in each bin, float64 [F, 257]."""
        framed = np.lib.stride_tricks.sliding_window_view(self.waveform, _FRAME)[::_STEP]
        return np.asarray(np.abs(np.fft.rfft(framed * np.hanning(_FRAME), axis=1)) ** 2 / _FRAME**2, np.float64)


def voice_anomaly(window: VoiceWindow) -> float:
    """How unlike recorded speech the model finds the voice."""
    return window.anomaly


def bandwidth(window: VoiceWindow) -> float:
    """The highest frequency with energy, in Hz: telephones end below 3500, a whole recording reaches 8000."""
    loud = np.convolve(np.percentile(window.power, _LOUD, axis=0), np.ones(_BINS) / _BINS, "same")
    level = 10 * np.log10(loud + _SILENT)
    heard = np.flatnonzero((level >= level.max() - _DEPTH_DB) & (loud > _SILENT))
    return float(heard[-1] * RATE / _FRAME) if len(heard) else 0.0


def decay_rate(window: VoiceWindow) -> float:
    """How fast the sound falls after its loud moments, in dB per second.

    Speech stops within a few hundredths of a second. In a room it falls no faster than 60 dB in the reverberation time
    (Sabine), once the direct sound is over.
    """
    frequencies = np.fft.rfftfreq(_FRAME, 1 / RATE)
    bands = [
        window.power[:, (frequencies >= low) & (frequencies < high)].mean(axis=1) for low, high in pairwise(_BAND_EDGES)
    ]
    levels = 10 * np.log10(np.stack(bands) + _SILENT)
    loudest = np.percentile(levels, 99, axis=1, keepdims=True)
    levels = np.maximum(levels, loudest - _DEPTH_DB)
    falls, strong = levels[:, :-_FALL] - levels[:, _FALL:], levels[:, :-_FALL] >= loudest - _STRONG_DB
    fastest = [np.percentile(fall[loud], _FASTEST) for fall, loud in zip(falls, strong, strict=True) if loud.any()]
    return float(np.median(fastest)) * RATE / (_STEP * _FALL) if fastest else 0.0
