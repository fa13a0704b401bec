"""The lips check of the default model: do these lips and this speech go together?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.align.lattice import TAU, lattice
from avsync.align.temporal import TemporalAligner
from avsync.checkpoint import Checkpoint
from avsync.checks.face_clips import face_clips, scored_windows, window_score
from avsync.checks.interface import LENGTHS
from avsync.clip import FaceClip
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.recording import Need
from avsync.score.readings import READINGS, Reading, readings_of
from avsync.score.readings.lattice import LatticeWindow, fit_of_moments, lag_of
from avsync.score.reference import Reference
from avsync.score.verdict import Artefacts
from avsync.score.windows import Combined, WindowScore, frame_times
from avsync.speech import log_mel

# The lips of a window beyond these are not judged. In recordings of 31 real people that calibrate, windows of 2 s with
# heads turned by more than 0.25 have a mean agreement of -0.33 nats, the others of 0.75. Speech stands out by at least
# 11.7 dB; white noise as loud as the speech leaves 5 to 7 dB.
_MAX_TURN = 0.25  # of `head_turn`
_MIN_RANGE = 8.0  # dB, of `sound_range`


def load(checkpoint: Checkpoint, device: torch.device) -> "LipsCheck":
    """The lips check of a checkpoint of `avsync train configs/default.yaml`.

    Raises:
        UsageError: the checkpoint is of another kind.
    """
    if not isinstance(checkpoint.model, TemporalAligner):
        raise UsageError("the lips check needs a model of avsync train configs/default.yaml, or a --backbone")
    return LipsCheck(checkpoint.model.to(device))


def with_speech_of(window: FaceClip, other: FaceClip) -> FaceClip:
    """The face of one window with the speech of another of the same length: swapped audio."""
    return replace(window, waveform=other.waveform, speech_share=other.speech_share)


class LipsCheck:
    """Windows of at most 3 s through the temporal aligner, all read at the lag of their track."""

    name = "lips"
    needs: tuple[Need, ...] = ("face", "speech")
    readings: tuple[Reading, ...] = (READINGS["agreement"], READINGS["worst_moment"], *readings_of("view"))
    ranked_by = "agreement"
    lengths: tuple[float, ...] = LENGTHS
    reference: Reference | None = None
    counterexample = staticmethod(with_speech_of)
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
        view = {reading.name: reading.read(window) for reading in readings_of("view")}
        return _read(window_score(window, view, arrays), None)

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """Read all windows with a fair view of the lips at the lag that fits them best together.

        Raises:
            CannotJudge: `poor_view`; there is no such window.
        """
        if not windows:
            return None
        fair = [window for window in windows if _fair_view(window)]
        if not fair:
            raise CannotJudge(Reason.POOR_VIEW, _poor_view(windows))
        lag = lag_of(mean_curve(fair))
        read = [with_moments(_read(window, lag), lag) for window in fair]
        return Combined(read, read, lag)


def _read(score: WindowScore, lag: int | None) -> WindowScore:
    """The window with the readings of its lattice, at a common lag or at its own."""
    window = lattice_window(score)
    window = window if lag is None else window.at(lag)
    readings = {r.name: r.read(window) if r.of == "lattice" else score.readings[r.name] for r in LipsCheck.readings}
    return replace(score, readings=readings)


def _fair_view(window: WindowScore) -> bool:
    return window.readings["head_turn"] <= _MAX_TURN and window.readings["sound_range"] >= _MIN_RANGE


def _poor_view(windows: Sequence[WindowScore]) -> str:
    """Why no window can be judged, in words."""
    if all(window.readings["sound_range"] < _MIN_RANGE for window in windows):
        loudest = max(window.readings["sound_range"] for window in windows)
        return f"noise or music drowns the speech: it stands out by {loudest:.0f} dB, {_MIN_RANGE:.0f} are needed"
    return "the head is turned too far away, or the speech is drowned, to judge the lips"


def lattice_window(score: WindowScore) -> LatticeWindow:
    """The lattice that a check kept of a window."""
    lattice, share = (torch.from_numpy(score.artefacts[name]) for name in ("lattice", "speech_share"))
    return LatticeWindow(lattice, share)


def with_moments(score: WindowScore, lag: int) -> WindowScore:
    """The window with the misfit of its moments, at the lag of its track."""
    return replace(score, moments=-fit_of_moments(lattice_window(score).at(lag)))


def mean_curve(windows: Sequence[WindowScore]) -> NDArray[np.float64]:
    """The lattice's mean over the speech of all windows, float64 [2τ + 1], NaN where none can judge."""
    curves = np.array([lattice_window(window).curve for window in windows], np.float64)
    weights = np.array([window.speech_seconds for window in windows])[:, None] * ~np.isnan(curves)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(curves) * weights).sum(axis=0) / weights.sum(axis=0))
