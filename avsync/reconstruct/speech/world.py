"""WORLD: pitch, spectral envelope and aperiodicity (Morise et al. 2016), through the package pyworld."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avsync.errors import UsageError
from avsync.media import RATE
from avsync.reconstruct.speech.excitation import polarity

_PERIODS = (5.0, 10.0)  # ms between frames
_ENVELOPE_VALUES = (24, 61)  # of a coded envelope: 24 to 60, as in statistical synthesis
# DIO and StoneMask are fast, Harvest is slower and finds more voiced frames: drawn less often.
_HARVEST = 0.1


def world(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rebuild speech from WORLD's parameters (see `Reconstruction.function`).

    Raises:
        UsageError: pyworld is not installed.
    """
    f0, envelope, aperiodicity, period = _analysed(waveform, rng)
    return polarity(rng) * _synthesised(f0, envelope, aperiodicity, period, len(waveform))


def world_coded(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rebuild speech from WORLD's parameters as synthesis systems predict them: few values per frame, smooth in time.

    Raises:
        UsageError: pyworld is not installed.
    """
    pyworld = _library()
    f0, envelope, aperiodicity, period = _analysed(waveform, rng)
    size = 2 * (envelope.shape[1] - 1)
    coded = pyworld.code_spectral_envelope(envelope, RATE, int(rng.integers(*_ENVELOPE_VALUES)))
    bands = pyworld.code_aperiodicity(aperiodicity, RATE)
    spread = rng.uniform(0, 5) / period  # frames
    if spread > 0.1:
        coded, bands = (np.ascontiguousarray(gaussian_filter1d(values, spread, axis=0)) for values in (coded, bands))
    envelope = pyworld.decode_spectral_envelope(coded, RATE, size)
    aperiodicity = pyworld.decode_aperiodicity(bands, RATE, size)
    return polarity(rng) * _synthesised(f0, envelope, aperiodicity, period, len(waveform))


def _analysed(waveform: NDArray[np.float32], rng: np.random.Generator) -> tuple[Any, Any, Any, float]:
    """Pitch (Hz) [T], envelope and aperiodicity [T, 513], and the time between frames (ms)."""
    pyworld = _library()
    samples, period = waveform.astype(np.float64), float(rng.choice(_PERIODS))
    if rng.random() < _HARVEST:
        f0, times = pyworld.harvest(samples, RATE, frame_period=period)
    else:
        rough, times = pyworld.dio(samples, RATE, frame_period=period)
        f0 = pyworld.stonemask(samples, rough, times, RATE)
    envelope = pyworld.cheaptrick(samples, f0, times, RATE)
    return f0, envelope, pyworld.d4c(samples, f0, times, RATE), period


def _synthesised(f0: Any, envelope: Any, aperiodicity: Any, period: float, length: int) -> NDArray[np.float64]:
    samples = _library().synthesize(f0, envelope, aperiodicity, RATE, period)
    return np.asarray(np.pad(samples, (0, max(0, length - len(samples))))[:length])


def _library() -> Any:
    try:
        import pyworld
    except ModuleNotFoundError as error:
        raise UsageError("the reconstruction 'world' needs the package pyworld: pip install 'avsync[voice]'") from error
    return pyworld
