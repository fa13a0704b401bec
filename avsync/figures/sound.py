"""The spectrogram of a recording, and the map of its voice over it."""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from avsync.figures.encode import heat, veil
from avsync.figures.faces import MOST_COLUMNS, on_grid
from avsync.media import RATE, AudioReader, Sound
from avsync.score.figures import Plane
from avsync.score.verdict import Artefacts

_WINDOW = 512  # samples of a spectrum: 32 ms
_ROWS = 128
_RANGE = 70.0  # dB from the loudest place to the darkest colour
_SHORTEST = 0.02  # s of a column
_SPECTRA = 4  # at most, averaged in one column of a long file
_PIECE = 250  # columns that are read at a time
# The map is averaged over so many rows and columns: 1.4 kHz by 0.1 s.
_SMOOTH = (3, 3)
# The veil is dense so many times as far from the median of real recordings as their 95th percentile: single places
# vary more than means.
_DENSE = 8.0


def spectrogram(sound: Sound, seconds: float) -> Plane | None:
    """Draw the sound, 0 to 8 kHz, in at most 1500 columns; None if there is none."""
    if seconds <= 0:
        return None
    columns = max(1, min(MOST_COLUMNS, ceil(seconds / _SHORTEST)))
    reader, drawn = sound.reader(), list[NDArray[np.float32]]()
    for first in range(0, columns, _PIECE):
        edges = np.arange(first, min(first + _PIECE, columns) + 1) * seconds * RATE / columns
        drawn.append(_levels(reader, edges.astype(int)))
    levels = np.concatenate(drawn)
    loudest = float(levels.max())
    return Plane(heat(levels.T[::-1], loudest - _RANGE, loudest), 0.0, seconds, 0.0, RATE / 2)


def voice_map(arrays: Artefacts, real: tuple[float, ...] | None) -> Plane | None:
    """Draw the map of the voice check, if it made one.

    Args:
        arrays: "voice_map" [F, M], "voice_frequencies" [F] (Hz) and "voice_times" [M] (s).
        real: the median and the 95th percentile of the map's mean over real recordings; None: scaled by the map itself.
    """
    if "voice_map" not in arrays or not np.asarray(arrays["voice_map"]).size:
        return None
    values = uniform_filter(np.asarray(arrays["voice_map"], np.float32), _SMOOTH, mode="nearest")
    times, frequencies = (np.asarray(arrays[f"voice_{name}"], np.float64) for name in ("times", "frequencies"))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    grid, start, end = on_grid(values, times, step)
    low, usual = real or np.percentile(values, [50, 90])
    high = low + _DENSE * (usual - low)
    # The outer rows lie half a row inside the band.
    half = float(np.diff(frequencies).mean()) / 2 if len(frequencies) > 1 else 0.0
    band = (float(frequencies[0]) - half, float(frequencies[-1]) + half)
    return Plane(veil(grid[::-1], low, high), start, end, *band)


def _levels(reader: AudioReader, edges: NDArray[np.int_]) -> NDArray[np.float32]:
    """Levels (dB) of the columns between `edges` (samples), float32 [n, 128]."""
    samples = reader.read(int(edges[0]), int(edges[-1]) + _WINDOW)
    spectra = max(1, min(_SPECTRA, int(edges[1] - edges[0]) // _WINDOW))
    begins = (edges[:-1, None] + np.diff(edges)[:, None] * np.arange(spectra) // spectra) - edges[0]
    pieces = samples[begins[..., None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = (np.abs(np.fft.rfft(pieces)[..., : 2 * _ROWS]) ** 2).mean(axis=1)
    rows = power.reshape(len(power), _ROWS, 2).mean(axis=2)
    return np.asarray(10 * np.log10(rows + 1e-10), np.float32)
