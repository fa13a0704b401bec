"""Speech as a sum of sinusoids (McAulay & Quatieri 1986), and as harmonics and noise (Stylianou 2001)."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from avsync.media import RATE
from avsync.reconstruct.speech.excitation import dispersion, polarity
from avsync.reconstruct.speech.pitch import at_bins, find_pitch
from avsync.reconstruct.speech.stft import STFT, frames, hann, overlap_add

_FFT = 1024
_WINDOWS = (320, 400, 512, 640)  # 20-40 ms
_ENVELOPE = 512  # samples per frame that an envelope is taken from
_HOPS = (80, 120, 160)
_PEAKS = (60, 121)  # 60 to 120 of each frame: the harmonics of a voice up to 8 kHz, or as many for noise
# A peak goes on from the peak of the frame before that is at most so far away (Hz).
_REACH = 60.0
_BATCH = 256  # frames synthesised at a time


def sinusoidal(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Rebuild speech from the peaks of its spectrum (see `Reconstruction.function`).

    Phases are those measured, or are dropped: then a sinusoid goes on where the one before it ends.
    """
    window, hop, count = int(rng.choice(_WINDOWS)), int(rng.choice(_HOPS)), int(rng.integers(*_PEAKS))
    cut = frames(waveform, window, hop) * hann(window)
    spectrum = rfft(np.roll(np.pad(cut, ((0, 0), (0, _FFT - window))), -(window // 2), axis=1), axis=1)
    frequencies, amplitudes, phases = _peaks(spectrum * (2 / hann(window).sum()), count)
    # Peaks of noise hold less of its power than peaks of a voice do.
    power = (cut**2).sum(axis=1) / (hann(window) ** 2).sum()
    held = (amplitudes**2).sum(axis=1) / 2
    amplitudes *= np.sqrt(power / np.maximum(held, 1e-20))[:, None]
    if rng.random() < 0.5:
        phases = _continued(frequencies, amplitudes, hop, rng)
    return _synthesised(frequencies, amplitudes, phases, hop, len(waveform))


def harmonic_noise(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Rebuild speech from harmonics of its pitch and shaped noise (see `Reconstruction.function`).

    The envelope is the smoothed spectrum. In each band harmonics and noise are mixed by how much of it repeats. The
    phases of harmonics are zero, those of the filter of minimum phase with that envelope, or those of `dispersion`.
    """
    hop, width = int(rng.choice(_HOPS)), float(rng.choice((150.0, 200.0, 300.0)))
    pitch = find_pitch(waveform, hop)
    cut = frames(waveform, _ENVELOPE, hop) * hann(_ENVELOPE)
    power = np.abs(rfft(cut, _FFT, axis=1)) ** 2 / (hann(_ENVELOPE) ** 2).sum()
    envelope = _smooth(power, np.maximum(pitch.f0, width))
    shares = at_bins(pitch.voicing, envelope.shape[1])
    voiced = pitch.f0 > 0
    orders = np.arange(1, int(RATE / 2 / pitch.f0[voiced].min()) + 1 if voiced.any() else 2)
    frequencies = pitch.f0[:, None] * orders
    place = np.minimum(frequencies * _FFT / RATE, _FFT // 2)
    level = _at(envelope * shares, place)
    amplitudes = np.where(
        (frequencies > 0) & (frequencies < RATE / 2), np.sqrt(4 * pitch.f0[:, None] / RATE * level), 0
    )
    phases = 2 * np.pi * np.cumsum(pitch.f0 * hop / RATE)[:, None] * orders
    kind = rng.integers(3)
    if kind == 1:
        phases = phases + _at(_minimum_phase(envelope), place)
    elif kind == 2:
        phases = phases + np.interp(place, np.arange(_FFT // 2 + 1), dispersion(rng, _FFT // 2 + 1))
    harmonics = _synthesised(frequencies, amplitudes, phases, hop, len(waveform))
    return polarity(rng) * harmonics + _noise(envelope * (1 - shares), hop, len(waveform), rng)


def _peaks(
    spectrum: NDArray[np.complexfloating], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The highest peaks of frames [T, 513]: frequencies (Hz, ascending), amplitudes and phases, each [T, count]."""
    level = np.log(np.abs(spectrum) + 1e-12)
    left, middle, right = level[:, :-2], level[:, 1:-1], level[:, 2:]
    peaks = np.where((middle > left) & (middle >= right), middle, -np.inf)
    at = np.sort(np.argpartition(-peaks, count, axis=1)[:, :count], axis=1)
    y0, y1, y2, found = (np.take_along_axis(values, at, axis=1) for values in (left, middle, right, peaks))
    shift = np.clip(0.5 * (y0 - y2) / np.minimum(y0 - 2 * y1 + y2, -1e-9), -0.5, 0.5)
    amplitudes = np.where(np.isfinite(found), np.exp(y1 - 0.25 * (y0 - y2) * shift), 0.0)
    phases = np.angle(np.take_along_axis(spectrum, at + 1, axis=1)).astype(np.float64)
    return (at + 1 + shift) * RATE / _FFT, amplitudes, phases


def _continued(
    frequencies: NDArray[np.float64], amplitudes: NDArray[np.float64], hop: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Phases that go on from the nearest peak of the frame before; those of new peaks are random."""
    phases = rng.uniform(0, 2 * np.pi, frequencies.shape)
    for t in range(1, len(frequencies)):
        before, now = frequencies[t - 1], frequencies[t]
        right = np.clip(np.searchsorted(before, now), 1, len(before) - 1)
        nearest = np.where(now - before[right - 1] < before[right] - now, right - 1, right)
        near = (np.abs(before[nearest] - now) < _REACH) & (amplitudes[t - 1][nearest] > 0)
        gone_on = phases[t - 1][nearest] + np.pi * hop / RATE * (before[nearest] + now)
        phases[t] = np.where(near, gone_on, phases[t])
    return phases


def _synthesised(
    frequencies: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    phases: NDArray[np.float64],
    hop: int,
    length: int,
) -> NDArray[np.float32]:
    """Add up steady sinusoids of overlapping frames (George & Smith 1992); phases are those in the middle of frames."""
    window = hann(2 * hop).astype(np.float32)
    turns = (2 * np.pi / RATE * (np.arange(2 * hop) - hop)).astype(np.float32)
    pieces = np.empty((len(frequencies), 2 * hop), np.float32)
    for begin in range(0, len(pieces), _BATCH):
        part = slice(begin, begin + _BATCH)
        turned = np.mod(phases[part, :, None], 2 * np.pi).astype(np.float32)
        angles = frequencies[part, :, None].astype(np.float32) * turns + turned
        pieces[part] = np.einsum("tk,tkn->tn", amplitudes[part].astype(np.float32), np.cos(angles)) * window
    return np.asarray(overlap_add(pieces, hop)[hop : hop + length], np.float32)


def _smooth(power: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of power [T, 513] over `width` (Hz) [T] around each bin."""
    half = width[:, None] * _FFT / RATE / 2
    total = np.pad(np.cumsum(power, axis=1), ((0, 0), (1, 0)))
    bins = np.arange(power.shape[1])
    low, high = np.maximum(bins - half, -0.5) + 0.5, np.minimum(bins + half, bins[-1] + 0.5) + 0.5
    return np.asarray((_at(total, high) - _at(total, low)) / (high - low))


def _at(values: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values [T, n] at fractional places [T, m], linearly between."""
    low = np.minimum(place.astype(int), values.shape[1] - 2)
    first = np.take_along_axis(values, low, axis=1)
    return np.asarray(first + (np.take_along_axis(values, low + 1, axis=1) - first) * (place - low))


def _minimum_phase(envelope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phases [T, 513] of the filters of minimum phase with a power response (folded cepstrum)."""
    cepstrum = irfft(0.5 * np.log(envelope + 1e-12), axis=1)
    cepstrum[:, 1 : _FFT // 2] *= 2
    cepstrum[:, _FFT // 2 + 1 :] = 0
    return np.asarray(rfft(cepstrum, axis=1).imag)


def _noise(power: NDArray[np.float64], hop: int, length: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """White noise with the power of frames [T, 513], which are `hop` samples apart."""
    transform = STFT(4 * hop, hop)
    spectrum = transform.forward(rng.standard_normal(length).astype(np.float32))
    place = np.broadcast_to(np.linspace(0, power.shape[1] - 1, spectrum.shape[1]), spectrum.shape)
    return transform.inverse((spectrum * np.sqrt(_at(power, place))).astype(np.complex64), length)
