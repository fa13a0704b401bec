"""Pitch and voicing by autocorrelation (Boersma, "Accurate short-term analysis …", IFA proceedings 17, 1993)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from avsync.media import RATE
from avsync.reconstruct.speech.stft import frames, hann

_LOWEST, _HIGHEST = 65.0, 500.0  # Hz, of human speech
_WINDOW = int(3 * RATE / _LOWEST) // 2 * 2  # three periods of the lowest pitch
_CANDIDATES = 6
# Pitch is looked for below so many Hz: there most of a voice repeats, and peaks are wide enough to find their height
# between two samples. A peak that is missed at one period is found at two or three.
_FADE_OUT = (1500.0, 2500.0)
# Thresholds and costs as in Praat's "Sound: To Pitch (ac)"; costs of change are for frames 10 ms apart.
_SILENCE, _VOICING, _OCTAVE, _OCTAVE_JUMP, _VOICED_UNVOICED = 0.03, 0.45, 0.01, 0.35, 0.14
VOICING_BANDS = 8  # of 1 kHz each


@dataclass(frozen=True)
class Pitch:
    """What frames of speech repeat with.

    Attributes:
        f0: float64 [T], Hz, 0 in frames without voice.
        voicing: float64 [T, 8], the share of the power that repeats, 0-1, in each band of 1 kHz; 0 without voice.
    """

    f0: NDArray[np.float64]
    voicing: NDArray[np.float64]


def find_pitch(waveform: NDArray[np.float32], hop: int) -> Pitch:
    """Return pitch and voicing of frames centred on every `hop` samples of float32 [N] at 16 kHz, as in `frames`."""
    cut = frames(waveform.astype(np.float64), _WINDOW, hop)
    window = hann(_WINDOW)
    size = next_fast_len(2 * _WINDOW)
    power = np.abs(rfft((cut - cut.mean(axis=1, keepdims=True)) * window, size, axis=1)) ** 2
    longest = int(RATE / _LOWEST) + 2
    taper = irfft(np.abs(rfft(window, size)) ** 2)[:longest]
    similarity = irfft(power * _low_pass(power.shape[1]), axis=1)[:, :longest]
    similarity = similarity / np.maximum(similarity[:, :1], 1e-20) / (taper / taper[0])
    lags, strength = _candidates(similarity)
    loudness = np.abs(cut).max(axis=1) / max(float(np.abs(waveform).max()), 1e-20)
    lag = _best_path(lags, strength, loudness, hop)
    f0 = np.where(lag > 0, RATE / np.maximum(lag, 1), 0.0)
    return Pitch(f0, _voicing(power, size, lag, taper / taper[0]))


def _low_pass(bins: int) -> NDArray[np.float64]:
    place = np.interp(np.linspace(0, RATE / 2, bins), _FADE_OUT, (0, 1))
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * place))


def _candidates(similarity: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The highest peaks of each frame: lags (samples) and strengths, both [T, 6], strength -1 where there is none."""
    shortest = int(RATE / _HIGHEST)
    left, middle, right = (similarity[:, shortest + i : similarity.shape[1] - 2 + i] for i in range(3))
    peaks = np.where((middle > left) & (middle >= right) & (middle > 0), middle, -1.0)
    at = np.argpartition(-peaks, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    y0, y1, y2, found = (np.take_along_axis(values, at, axis=1) for values in (left, middle, right, peaks))
    curvature = np.minimum(y0 - 2 * y1 + y2, -1e-12)
    shift = np.clip(0.5 * (y0 - y2) / curvature, -0.5, 0.5)
    height = np.minimum(y1 - 0.25 * (y0 - y2) * shift, 1.0)
    return shortest + 1 + at + shift, np.where(found > 0, height, -1.0)


def _best_path(
    lags: NDArray[np.float64], strength: NDArray[np.float64], loudness: NDArray[np.float64], hop: int
) -> NDArray[np.float64]:
    """The lag of each frame, 0 without voice, on the path of candidates that costs least (Viterbi)."""
    octaves = np.log2(lags / RATE)
    scores = strength - _OCTAVE * np.log2(_LOWEST * lags / RATE)
    silent = _VOICING + np.maximum(0, 2 - loudness / (_SILENCE / (1 + _VOICING)))
    scores = np.concatenate([scores, silent[:, None]], axis=1)
    scale = 0.01 * RATE / hop  # of costs of change
    count = len(lags)
    came_from = np.zeros((count, _CANDIDATES + 1), np.intp)
    total = scores[0]
    cost = np.full((_CANDIDATES + 1, _CANDIDATES + 1), _VOICED_UNVOICED * scale)
    cost[-1, -1] = 0
    for t in range(1, count):
        cost[:-1, :-1] = _OCTAVE_JUMP * scale * np.abs(octaves[t - 1][:, None] - octaves[t])
        options = total[:, None] - cost
        came_from[t] = options.argmax(axis=0)
        total = options[came_from[t], np.arange(_CANDIDATES + 1)] + scores[t]
    at = np.empty(count, np.intp)
    at[-1] = total.argmax()
    for t in range(count - 1, 0, -1):
        at[t - 1] = came_from[t, at[t]]
    return np.take_along_axis(np.pad(lags, ((0, 0), (0, 1))), at[:, None], axis=1)[:, 0]


def _voicing(
    power: NDArray[np.float64], size: int, lag: NDArray[np.float64], taper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The autocorrelation of each band of 1 kHz at the lag of the whole frame."""
    phase = 2 * np.pi * np.arange(power.shape[1]) / size
    starts = np.arange(VOICING_BANDS) * (power.shape[1] - 1) // VOICING_BANDS
    voiced = np.flatnonzero(lag)
    alike = np.add.reduceat(power[voiced] * np.cos(phase * lag[voiced, None]), starts, axis=1)
    whole = np.add.reduceat(power[voiced], starts, axis=1)
    found = np.zeros((len(lag), VOICING_BANDS))
    expected = np.interp(lag[voiced], np.arange(len(taper)), taper)[:, None]
    found[voiced] = np.clip(alike / np.maximum(whole, 1e-20) / expected, 0, 1)
    return found


def at_bins(voicing: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return the voicing of bands, [T, 8], at evenly spaced frequencies from 0 to 8 kHz: [T, bins]."""
    place = np.clip(np.linspace(0, VOICING_BANDS, bins) - 0.5, 0, VOICING_BANDS - 1)
    low = np.minimum(place.astype(int), VOICING_BANDS - 2)
    return np.asarray(voicing[:, low] + (voicing[:, low + 1] - voicing[:, low]) * (place - low))
