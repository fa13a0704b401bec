"""The readings of one window: a few numbers, each of which has a name, a reason and a distribution over real clips."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.align.lattice import TAU
from avsync.clip import FaceClip
from avsync.score.kinematics import lip_acceleration
from avsync.score.readings.face import brow_motion, face_frames, mouth_detail, mouth_temporal_noise, mouth_motion_variability

# Constant lags of real web video reach 7 frames: readings look for the best offset within this many.
MAX_LAG = 8
# The worst moment lasts so many frames, 0.6 s: two to three syllables.
_MOMENT = 15

# The two questions that a window is asked, and the readings that answer each. All of them are odd when they are low:
# speech that is not the lips' own fits them less, and what generators lose of a face (sharpness of the mouth, abrupt
# starts and stops, changes that no motion explains) is lost. Fakes whose lips fit the speech too well do exist, but
# reading `agreement` on both sides found fewer fakes, not more (README, "What does not work").
ASPECTS: dict[str, tuple[str, ...]] = {
    "speech": ("agreement",),
    "picture": ("lip_acceleration", "mouth_motion_variability", "mouth_temporal_noise", "mouth_detail", "brow_motion"),
}
# Reported beside them: how much worse than the rest the worst moment of a window fits.
READINGS = (*(name for names in ASPECTS.values() for name in names), "worst_moment")


def lag_of(curve: NDArray[np.floating]) -> int:
    """The offset in frames, within ±8, at which lips and speech fit best, of a mean lattice [2τ + 1].

    Positive: the speech comes after the lips.
    """
    near = curve[TAU - MAX_LAG : TAU + MAX_LAG + 1]
    return 0 if np.isnan(near).all() else int(np.nanargmax(near)) - MAX_LAG


def read_lattice(lattice: Tensor, weight: Tensor, curve: Tensor) -> dict[str, float]:
    """Global and local agreement at the window's own lag.

    Args:
        lattice: float [T, 2τ + 1] in nats.
        weight: float [T], the share of speech in each frame.
        curve: float [2τ + 1], the lattice's mean over the window's speech.
    """
    at = TAU + lag_of(curve.numpy())
    column = lattice[:, at]
    heard = weight * ~column.isnan()
    moments = torch.stack([column.nan_to_num() * heard, heard]).unfold(1, min(_MOMENT, len(column)), 1).sum(dim=2)
    # A moment of silence is no moment: it must hold half as much speech as the fullest.
    means = (moments[0] / moments[1].clamp(min=1e-6))[moments[1] >= 0.5 * moments[1].max()]
    return {"agreement": float(curve[at]), "worst_moment": float(means.min() - curve[at])}


def read_pictures(window: FaceClip) -> dict[str, float]:
    """What the pictures say by themselves."""
    faces = face_frames(window.patches, window.points)
    return {
        "lip_acceleration": lip_acceleration(window.landmarks, window.speech),
        "mouth_motion_variability": mouth_motion_variability(faces, window.speech),
        "mouth_temporal_noise": mouth_temporal_noise(faces, window.speech),
        "mouth_detail": mouth_detail(faces, window.speech),
        "brow_motion": brow_motion(faces, window.speech),
    }
