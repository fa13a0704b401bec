"""Speech from the magnitudes of its spectrum: Griffin-Lim, of the spectrogram itself or of a mel spectrogram."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsync.media import RATE
from avsync.reconstruct.speech.stft import STFT

Scale = Literal["htk", "slaney"]

# Samples per frame, 25-128 ms, and how many frames cover a sample: what published vocoders use, and around it.
_RESOLUTIONS = ((400, 4), (400, 5), (512, 4), (640, 4), (800, 4), (800, 5), (1024, 4), (1024, 8), (1600, 4), (2048, 4))
_ITERATIONS = (4, 64)
# alpha of the fast algorithm: 0 is Griffin & Lim's own, 0.99 the best of Perraudin et al. 2013, section 4.
_MOMENTA = (0.0, 0.5, 0.99)
_MEL_BANDS = (40, 64, 80, 100, 128)
_NNLS_STEPS = 40


def griffin_lim(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Rebuild speech from the magnitudes of its short-time Fourier transform (see `Reconstruction.function`)."""
    transform = _resolution(rng)
    return _from_magnitudes(np.abs(transform.forward(waveform)), transform, len(waveform), rng)


def mel_inversion(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Rebuild speech from a mel spectrogram of 40 to 128 bands (see `Reconstruction.function`).

    The spectrogram is of magnitude or power; it is made linear again with the pseudo-inverse, or with the nearest
    magnitudes that are not negative.
    """
    transform = _resolution(rng)
    filters = mel_filters(transform.size, int(rng.choice(_MEL_BANDS)), "htk" if rng.random() < 0.5 else "slaney")
    exponent = int(rng.choice((1, 2)))
    mel = np.abs(transform.forward(waveform)) ** exponent @ filters
    linear = _pseudo_inverted(mel, filters) if rng.random() < 0.5 else _non_negative(mel, filters)
    return _from_magnitudes(linear ** (1 / exponent), transform, len(waveform), rng)


def _resolution(rng: np.random.Generator) -> STFT:
    size, overlap = _RESOLUTIONS[rng.integers(len(_RESOLUTIONS))]
    return STFT(size, size // overlap)


def _from_magnitudes(
    magnitudes: NDArray[np.float32], transform: STFT, length: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The fast Griffin-Lim algorithm (Perraudin et al., WASPAA 2013) from random phases or phases of zero."""
    random = rng.random() < 0.7
    turn = rng.random(magnitudes.shape, np.float32) if random else np.zeros(magnitudes.shape, np.float32)
    iterations = round(np.exp(rng.uniform(*np.log(_ITERATIONS))))
    momentum = np.float32(rng.choice(_MOMENTA))
    guess = magnitudes * np.exp(2j * np.pi * turn).astype(np.complex64)
    last = np.zeros_like(guess)
    for _ in range(iterations):
        consistent = transform.forward(transform.inverse(guess, length))
        guess = _with(magnitudes, consistent + momentum * (consistent - last) if momentum else consistent)
        last = consistent
    return transform.inverse(guess, length)


def _with(magnitudes: NDArray[np.float32], spectrum: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return np.asarray(spectrum * (magnitudes / np.maximum(np.abs(spectrum), np.float32(1e-12))))


def _pseudo_inverted(mel: NDArray[np.float32], filters: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(mel @ np.linalg.pinv(filters), 0))


def _non_negative(mel: NDArray[np.float32], filters: NDArray[np.float32]) -> NDArray[np.float32]:
    """Least squares without negative values, by multiplicative steps (Lee & Seung, NIPS 2000)."""
    wanted = mel @ filters.T
    found = np.maximum(mel @ np.linalg.pinv(filters), 1e-3 * wanted)
    for _ in range(_NNLS_STEPS):
        found *= wanted / np.maximum(found @ filters @ filters.T, np.float32(1e-20))
    return np.asarray(found, np.float32)


@cache
def mel_filters(size: int, bands: int, scale: Scale) -> NDArray[np.float32]:
    """Return triangles from 0 to 8 kHz, equally spaced in mel: float32 [size // 2 + 1, bands].

    Args:
        size: samples per frame.
        bands: how many.
        scale: `htk` (O'Shaughnessy 1987), each of height 1; `slaney` (Auditory Toolbox, 1998: linear up to 1 kHz), each
            of area 1.
    """
    corners = _corners(bands, scale)
    at = np.arange(size // 2 + 1)[:, None] * RATE / size
    # Where bands are narrower than bins, a triangle may fall between two: none is narrower than one bin.
    below = np.maximum(np.diff(corners)[:-1], RATE / size)
    above = np.maximum(np.diff(corners)[1:], RATE / size)
    triangles = np.maximum(0, np.minimum((at - corners[1:-1]) / below + 1, (corners[1:-1] - at) / above + 1))
    return np.asarray(triangles * (2 / (below + above) if scale == "slaney" else 1), np.float32)


def _corners(bands: int, scale: Scale) -> NDArray[np.float64]:
    """The frequencies (Hz) where triangles begin, peak and end: [bands + 2]."""
    steps = np.linspace(0, 1, bands + 2)
    if scale == "htk":
        return np.asarray(700 * (10 ** (steps * np.log10(1 + RATE / 2 / 700)) - 1))
    octave = np.log(6.4) / 27  # per mel above 1 kHz, which is 15 mel
    mel = steps * (15 + np.log(RATE / 2 / 1000) / octave)
    return np.asarray(np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.maximum(mel - 15, 0) * octave)))
