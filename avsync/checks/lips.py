"""The lips check of the default model: do these lips and this speech go together?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.align.checkpoint import Checkpoint
from avsync.align.lattice import TAU, lattice
from avsync.align.temporal import TemporalAligner
from avsync.checks.face_clips import face_clips, scored_windows, window_score
from avsync.checks.interface import LENGTHS
from avsync.clip import FaceClip
from avsync.errors import UsageError
from avsync.recording import Need
from avsync.score.readings import READINGS, Reading
from avsync.score.readings.lattice import LatticeWindow, lag_of
from avsync.score.reference import Reference
from avsync.score.verdict import Artefacts
from avsync.score.windows import Combined, WindowScore, frame_times
from avsync.speech import log_mel


def load(checkpoint: Checkpoint, device: torch.device) -> "LipsCheck":
    """The lips check of a checkpoint of `avsync train configs/default.yaml`.

    Raises:
        UsageError: the checkpoint is of another kind.
    """
    if not isinstance(checkpoint.model, TemporalAligner):
        raise UsageError("the lips check needs a model of avsync train configs/default.yaml, or a --backbone")
    return LipsCheck(checkpoint.model.to(device))


class LipsCheck:
    """Windows of at most 3 s through the temporal aligner, all read at the lag of their track."""

    name = "lips"
    needs: tuple[Need, ...] = ("face", "speech")
    readings: tuple[Reading, ...] = (READINGS["agreement"], READINGS["worst_moment"])
    ranked_by = "agreement"
    lengths: tuple[float, ...] = LENGTHS
    reference: Reference | None = None
    clips = staticmethod(face_clips)
    windows = staticmethod(scored_windows)

    def __init__(self, model: TemporalAligner) -> None:
        self._model = model

    def measure(self, window: FaceClip) -> WindowScore:
        """Encode a window and fill its lattice; the readings are taken at the window's own lag."""
        model, mel = self._model, log_mel(window.waveform)
        lips, speech = model.encode(window.landmarks, window.mouths, mel, window.speech_share)
        share = torch.from_numpy(window.speech_share)
        grid = lattice(lips, speech, share, model.temperature.item(), TAU)
        arrays: Artefacts = {
            "times": frame_times(window.start, len(window)),
            "speech_share": window.speech_share,
            "lattice": grid.numpy(),
            "mouths": window.mouths,
        }
        return self._read(window_score(window, {}, arrays), None)

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """Read all windows at the lag that fits them best together."""
        if not windows:
            return None
        lag = lag_of(mean_curve(windows))
        read = [self._read(window, lag) for window in windows]
        return Combined(read, read, lag)

    def _read(self, score: WindowScore, lag: int | None) -> WindowScore:
        window = lattice_window(score)
        window = window if lag is None else window.at(lag)
        return replace(score, readings={reading.name: reading.read(window) for reading in self.readings})


def lattice_window(score: WindowScore) -> LatticeWindow:
    """The lattice that a check kept of a window."""
    lattice, share = (torch.from_numpy(score.artefacts[name]) for name in ("lattice", "speech_share"))
    return LatticeWindow(lattice, share)


def mean_curve(windows: Sequence[WindowScore]) -> NDArray[np.float64]:
    """The lattice's mean over the speech of all windows, float64 [2τ + 1], NaN where none can judge."""
    curves = np.array([lattice_window(window).curve for window in windows], np.float64)
    weights = np.array([window.speech_seconds for window in windows])[:, None] * ~np.isnan(curves)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(curves) * weights).sum(axis=0) / weights.sum(axis=0))
