"""What the voice check asks of every model: a score of some speech, and a map of where it sounds odd."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avsync.checkpoint import Model

LearnedFrom = Literal["real speech", "labelled fakes"]


@dataclass(frozen=True, slots=True)
class VoiceReading:
    """What a model hears in a window.

    Attributes:
        score: high is anomalous.
        map: float32 [F, M], how anomalous each place of the spectrogram is; high is anomalous.
        frequencies: float32 [F], rising, of the map's rows (Hz).
        times: float32 [M], rising, of the map's columns, in seconds from the start of the window.
    """

    score: float
    map: NDArray[np.float32]
    frequencies: NDArray[np.float32]
    times: NDArray[np.float32]


class VoiceModel(Model):
    """A model of one voice, heard alone."""

    check: ClassVar[str] = "voice"

    @property
    def learned_from(self) -> LearnedFrom:
        """What its weights were learned from. One that has seen labelled fakes is a baseline, and no check."""
        return "real speech"

    @abstractmethod
    def read(self, waveform: NDArray[np.float32], speech_share: NDArray[np.float32]) -> VoiceReading:
        """Score a window.

        Args:
            waveform: float32 [640 T], mono, 16 kHz.
            speech_share: float32 [T], the share of speech in each 40 ms.
        """
