"""Linear prediction (Makhoul 1975): an all-pole filter for the vocal tract, and a simpler excitation than its own.

`vocoder` excites the filter with pulses and noise, `residual_coder` with a coarse copy of what the filter left over.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import lfilter, lfiltic

from avsync.reconstruct.speech.excitation import dispersed, polarity, pulse_train
from avsync.reconstruct.speech.pitch import at_bins, find_pitch
from avsync.reconstruct.speech.stft import frames, hann, overlap_add

_ORDERS = (12, 25)  # 12 to 24
_WINDOWS = (400, 480, 512)  # 25-32 ms
_VOCODER_HOPS = (80, 120, 160)
_BLOCK = 80  # samples (5 ms) that the residual coder treats alike
# Added to the autocorrelation at lag 0, against filters that ring.
_WHITE_NOISE = 1e-5


def vocoder(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rebuild speech from a filter, a gain, the pitch and the voicing of eight bands (see `Reconstruction.function`).

    In each band pulses and noise are mixed by how much of it repeats, and pulses may be spread over 3 ms (mixed
    excitation and pulse dispersion, McCree & Barnwell 1995).
    """
    hop, window, order = (int(rng.choice(_VOCODER_HOPS)), int(rng.choice(_WINDOWS)), int(rng.integers(*_ORDERS)))
    filters, gains = _predicted(waveform, window, hop, order)
    pitch = find_pitch(waveform, hop)
    # A filter's ring is over after 32 ms: longer than a frame, so that what wraps around is inaudible.
    size = next_fast_len(2 * hop + 512)
    response = gains[:, None] / rfft(filters, size, axis=1)
    shares = at_bins(pitch.voicing, response.shape[1])
    train = pulse_train(pitch, hop, len(waveform)) * polarity(rng)
    pulses = _windowed_spectrum(dispersed(train, rng) if rng.random() < 0.5 else train, hop, size)
    noise = _windowed_spectrum(rng.standard_normal(len(waveform)), hop, size)
    pieces = irfft((pulses * np.sqrt(shares) + noise * np.sqrt(1 - shares)) * response, size, axis=1)
    return np.asarray(overlap_add(pieces, hop)[hop : hop + len(waveform)])


def residual_coder(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rebuild speech from a filter and a coarse residual: every nth sample of it, in a few steps (Kroon et al. 1986).

    Each block of 5 ms keeps those of the n possible samples that hold most of the energy; all others become zero.
    """
    order, window = int(rng.integers(*_ORDERS)), int(rng.choice(_WINDOWS))
    keep_every, steps = int(rng.choice((1, 2, 3))), int(rng.choice((2, 3, 4)))
    count = -(-len(waveform) // _BLOCK)
    padded = np.pad(waveform.astype(np.float64), (0, count * _BLOCK - len(waveform)))
    filters, _ = _predicted(padded, window, _BLOCK, order, shift=_BLOCK // 2)
    filters = filters[:count]
    history = np.lib.stride_tricks.sliding_window_view(np.pad(padded, (order, 0)), order + 1)
    residual = np.einsum("tnk,tk->tn", history.reshape(count, _BLOCK, order + 1), filters[:, ::-1])
    return _filtered(_coarse(residual, keep_every, steps), filters)[: len(waveform)]


def _predicted(
    waveform: NDArray[np.floating], window: int, hop: int, order: int, shift: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Filters [T, order + 1], beginning with 1, and the level of the residual [T], of frames at t · hop + shift."""
    tapered = frames(waveform[shift:].astype(np.float64), window, hop) * hann(window)
    correlation = irfft(np.abs(rfft(tapered, next_fast_len(2 * window), axis=1)) ** 2, axis=1)[:, : order + 1]
    correlation[:, 0] = correlation[:, 0] * (1 + _WHITE_NOISE) + 1e-12
    filters, error = levinson_durbin(correlation)
    return filters, np.sqrt(error / np.sum(hann(window) ** 2))


def levinson_durbin(correlation: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the predictors of many frames at once (Makhoul 1975, eq. 38).

    Args:
        correlation: [T, p + 1], autocorrelations at lags 0 to p; the first is positive.

    Returns:
        The prediction error filters [T, p + 1], beginning with 1, which are stable when inverted, and the power of
        their residual [T], on the scale of `correlation`.
    """
    count, size = correlation.shape
    filters = np.zeros((count, size))
    filters[:, 0] = 1
    error = correlation[:, 0].copy()
    for i in range(1, size):
        reflection = -np.sum(filters[:, :i] * correlation[:, i:0:-1], axis=1) / error
        filters[:, 1 : i + 1] += reflection[:, None] * filters[:, i - 1 :: -1][:, :i]
        error *= 1 - reflection**2
    return filters, error


def _windowed_spectrum(excitation: NDArray[np.float64], hop: int, size: int) -> NDArray[np.complex128]:
    found: NDArray[np.complex128] = rfft(frames(excitation, 2 * hop, hop) * hann(2 * hop), size, axis=1)
    return found


def _coarse(residual: NDArray[np.float64], keep_every: int, steps: int) -> NDArray[np.float64]:
    """Blocks [T, 80] with every nth sample kept and rounded to ±`steps` steps, at the level they had."""
    count = len(residual)
    grids = np.zeros((keep_every, count, _BLOCK))
    for phase in range(keep_every):
        grids[phase, :, phase::keep_every] = residual[:, phase::keep_every]
    best = (grids**2).sum(axis=2).argmax(axis=0)
    kept = grids[best, np.arange(count)]
    step = np.maximum(np.abs(kept).max(axis=1, keepdims=True) / steps, 1e-12)
    coarse = np.rint(kept / step) * step
    level, rounded = (np.sqrt((values**2).mean(axis=1, keepdims=True)) for values in (residual, coarse))
    return np.asarray(coarse * (level / np.maximum(rounded, 1e-12)))


def _filtered(excitation: NDArray[np.float64], filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """All-pole filters [T, p + 1], each for its block [T, n]; the state goes on: float64 [T · n]."""
    past = np.zeros(filters.shape[1] - 1)
    out = np.empty_like(excitation)
    for t, (block, taps) in enumerate(zip(excitation, filters, strict=True)):
        out[t], _ = lfilter([1.0], taps, block, zi=lfiltic([1.0], taps, past))
        past = out[t, : -len(past) - 1 : -1]
    return out.ravel()
