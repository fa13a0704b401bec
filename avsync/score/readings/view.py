"""How well lips are seen and speech is heard in a window, whatever they say."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.face.landmarks import NOSE_TIP, OUTER_EYE_CORNERS
from avsync.speech.filterbank import HOP

_SILENT = 1e-8  # mean power of digital silence, so that its logarithm is finite
_LOUD, _SOFT = 90, 10  # percentiles of loudness


class Seen(Protocol):
    """A window of a face; the attributes are those of `FaceClip`."""

    @property
    def landmarks(self) -> NDArray[np.float32]: ...  # noqa: D102


class Heard(Protocol):
    """A window of a face or of the sound; the attributes are those of `SoundClip`."""

    @property
    def waveform(self) -> NDArray[np.float32]: ...  # noqa: D102


def head_turn(window: Seen) -> float:
    """How far the head is turned: the nose's distance from the middle of the eyes, in eye distances.

    0 from the front; about 0.5 where the nose is below an eye and half of the mouth is hidden.
    """
    right, left, nose = (window.landmarks[:, point].astype(np.float64) for point in (*OUTER_EYE_CORNERS, NOSE_TIP))
    across = left - right
    place = ((nose - right) * across).sum(axis=1) / np.maximum((across**2).sum(axis=1), 1e-9)
    return float(abs(np.median(place) - 0.5))


def sound_range(window: Heard) -> float:
    """How far speech stands out of noise and music: the loudest against the softest tenth of the sound, in dB.

    Speech has pauses between its syllables. What fills them hides the syllables too.
    """
    hops = window.waveform.reshape(-1, HOP).astype(np.float64)  # four in a frame
    loudness = 10 * np.log10(np.square(hops).mean(axis=1) + _SILENT)
    return float(np.percentile(loudness, _LOUD) - np.percentile(loudness, _SOFT))
