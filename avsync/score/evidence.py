"""What one window says: its readings, and the mean lattice that its lag is read from."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.align import TAU, TemporalAligner, lattice, mean_over_time
from avsync.clip import FaceClip
from avsync.media import FPS
from avsync.score.readings import read_lattice, read_pictures
from avsync.speech import log_mel


@dataclass(frozen=True, slots=True)
class Evidence:
    """A window of one track.

    Attributes:
        start, seconds, speech_seconds: where and how long (s).
        box: median box of the face, float [4], in upright pixels.
        curve: float32 [2τ + 1], the lattice's mean over the window's speech (nats), NaN where it cannot be judged.
        readings: value by name, of `avsync.score.readings`.
    """

    start: float
    seconds: float
    speech_seconds: float
    box: NDArray[np.float64]
    curve: NDArray[np.float32]
    readings: dict[str, float]

    def at(self, lag: int) -> Self:
        """The same with `agreement` read at a lag in frames, where the window can judge it."""
        agreement = float(self.curve[TAU + lag])
        if "agreement" not in self.readings or np.isnan(agreement):
            return self
        return replace(self, readings={**self.readings, "agreement": agreement})


def gather(model: TemporalAligner, window: FaceClip) -> Evidence:
    """Embed a window, fill its lattice and take every reading."""
    lips, speech = model.embed(window.landmarks, window.mouths, log_mel(window.waveform), window.speech)
    weight = torch.from_numpy(window.speech)
    grid = lattice(lips, speech, weight, model.temperature.item(), TAU)
    curve = mean_over_time(grid, weight)
    return Evidence(
        start=window.start,
        seconds=len(window) / FPS,
        speech_seconds=float(window.speech.sum()) / FPS,
        box=window.box,
        curve=curve.numpy(),
        readings={**read_lattice(grid, weight, curve), **read_pictures(window)},
    )
