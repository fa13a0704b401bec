"""Inputs of AV-HuBERT: a stacked log filterbank, and normalised mouth pixels."""

import numpy as np
from numpy.typing import NDArray

from avsync.face import LIP_ROWS
from avsync.speech.filterbank import FILTERBANK_BANDS, STEPS_PER_FRAME, log_filterbank

Floats = NDArray[np.float32]

AUDIO_FEATURES = FILTERBANK_BANDS * STEPS_PER_FRAME
_FULL_SCALE = 32768.0  # of 16-bit samples
_LAYER_NORM_EPS = 1e-5
# Mean and standard deviation of grey mouth crops scaled to 0-1, as in lip reading since Petridis et al. (ICASSP 2018).
_MEAN, _STD = 0.421, 0.165


def speech_input(waveform: Floats) -> Floats:
    """Return the audio input of a clip of T frames.

    The networks were trained on 16-bit samples, so the waveform is scaled to 16 bits and rounded. Layer norm removes
    gain, except around digital silence, where the log floor does not scale with the signal.

    Args:
        waveform: float32 [640 T] at 16 kHz in [-1, 1].

    Returns:
        float32 [T, 104].
    """
    samples = np.clip(np.rint(waveform * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    return normalised(stacked(log_filterbank(samples)))


def lip_input(mouths: NDArray[np.uint8]) -> Floats:
    """Return the video input, float32 [T, 88, 88]: the centre of mouth crops, uint8 [T, 96, 96], normalised."""
    grey = mouths[:, LIP_ROWS, LIP_ROWS].astype(np.float32) / 255
    return np.asarray((grey - _MEAN) / _STD, np.float32)


def stacked(bands: Floats) -> Floats:
    """Join four steps of 10 ms to a frame: float32 [n, 26] to [ceil(n / 4), 104], zeros after the last step."""
    filled = np.pad(bands, ((0, -len(bands) % STEPS_PER_FRAME), (0, 0)))
    return filled.reshape(-1, STEPS_PER_FRAME * bands.shape[1])


def normalised(features: Floats) -> Floats:
    """Subtract the mean of each frame, float32 [T, 104], and divide by its standard deviation."""
    # In float64: all values of digital silence are equal, and rounding must not turn into a signal.
    centred = features - features.mean(axis=1, keepdims=True, dtype=np.float64)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + _LAYER_NORM_EPS), np.float32)
