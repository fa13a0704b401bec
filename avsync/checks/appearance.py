"""The appearance check: does a network find this face unlike faces that cameras record?

It is asked only with `--checks … --weights FILE`: no model of it ships with avsync.
"""

from collections.abc import Sequence

import numpy as np
import torch

from avsync.appearance import AppearanceModel
from avsync.checkpoint import Checkpoint
from avsync.checks.face_clips import face_clips, scored_windows, window_score
from avsync.checks.interface import LENGTHS, Counterexample
from avsync.clip import FaceClip
from avsync.errors import UsageError
from avsync.media import FPS
from avsync.recording import Need
from avsync.score.readings import Reading, readings_of
from avsync.score.readings.appearance import AppearanceWindow
from avsync.score.reference import Reference
from avsync.score.verdict import Artefacts
from avsync.score.windows import Combined, WindowScore


def load(checkpoint: Checkpoint, device: torch.device) -> "AppearanceCheck":
    """The appearance check of a checkpoint of `avsync train configs/face_reconstruction.yaml`.

    Raises:
        UsageError: the checkpoint is of another kind.
    """
    if not isinstance(checkpoint.model, AppearanceModel):
        raise UsageError("the appearance check needs a model of avsync train configs/face_reconstruction.yaml")
    return AppearanceCheck(checkpoint.model.to(device))


class AppearanceCheck:
    """Windows of at most 3 s of the grey patches of a face, through a network that knows real faces."""

    name = "appearance"
    needs: tuple[Need, ...] = ("face", "speech")
    readings: tuple[Reading, ...] = readings_of("appearance")
    ranked_by = "appearance_anomaly"
    lengths: tuple[float, ...] = LENGTHS
    reference: Reference | None = None
    # Rebuilt faces would be one, but models learn from them: they know them far better than strangers' fakes.
    counterexample: Counterexample | None = None
    clips = staticmethod(face_clips)
    windows = staticmethod(scored_windows)

    def __init__(self, model: AppearanceModel) -> None:
        self._model = model

    def measure(self, window: FaceClip) -> WindowScore:
        """Score a window, and keep the map."""
        seen = self._model.read(window.patches)
        face = AppearanceWindow(seen.score)
        times = window.start + seen.frames.astype(np.float64) / FPS
        arrays: Artefacts = {"appearance_map": seen.map, "appearance_times": times}
        return window_score(window, {reading.name: reading.read(face) for reading in self.readings}, arrays)

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """The windows as they are."""
        return Combined(windows, windows) if windows else None
