"""Readings of the lattice, of a window or of a whole track: one number each.

Frames count by their share of speech; with `trim="none"` all count the same, as published.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from avsync.align.lattice import TAU, mean_over_time
from avsync.align.losses import SPOKEN
from avsync.score.frames import moments

# Constant lags of real web video reach 7 frames: readings look for the best offset within this many.
MAX_LAG = 8
# FACTOR (Reiss et al., 2023) scores a clip by its 3rd percentile.
_PERCENTILE = 3


@dataclass(frozen=True)
class LatticeWindow:
    """T frames of a lattice.

    Attributes:
        lattice: float32 [T, 2τ + 1], NaN where the offset leaves the clip.
        speech_share: float32 [T].
        common_lag: the lag of the track in frames; None: the window's own lag counts.
    """

    lattice: Tensor
    speech_share: Tensor
    common_lag: int | None = None

    @cached_property
    def curve(self) -> NDArray[np.float32]:
        """The mean over speech, float32 [2τ + 1], NaN for offsets that too few spoken frames can judge."""
        return mean_over_time(self.lattice, self.speech_share).numpy()

    @property
    def lag(self) -> int:
        """The lag in frames at which shifted readings are taken."""
        return lag_of(self.curve) if self.common_lag is None else self.common_lag

    def at(self, lag: int) -> Self:
        """The same window at a track's lag; at its own lag where it cannot judge the track's."""
        return self if np.isnan(self.curve[TAU + lag]) else replace(self, common_lag=lag)


def lag_of(curve: NDArray[np.floating]) -> int:
    """The offset in frames, within ±8, at which lips and speech fit best, of a mean lattice [2τ + 1].

    Positive: the speech comes after the lips.
    """
    near = curve[TAU - MAX_LAG : TAU + MAX_LAG + 1]
    return 0 if np.isnan(near).all() else int(np.nanargmax(near)) - MAX_LAG


def agreement(window: LatticeWindow) -> float:
    """The mean over speech at the lag."""
    return float(window.curve[TAU + window.lag])


def worst_moment(window: LatticeWindow) -> float:
    """How much worse than the whole window the worst 0.6 s fit, at the same lag."""
    return float(np.nanmin(fit_of_moments(window)) - window.curve[TAU + window.lag])


def fit_of_moments(window: LatticeWindow) -> NDArray[np.float32]:
    """How well lips and speech fit at the lag in the 0.6 s around each frame, float32 [T]; NaN where nobody speaks."""
    return moments(window.lattice[:, TAU + window.lag].numpy(), window.speech_share.numpy())


def speechforensics(window: LatticeWindow) -> float:
    """SpeechForensics (Liang et al., NeurIPS 2024): the largest over ±15 shifts of the mean over time."""
    return float(np.nanmax(window.curve))


def factor(window: LatticeWindow) -> float:
    """FACTOR (Reiss et al., 2023): the 3rd percentile over time, without shift."""
    spoken = window.speech_share >= min(SPOKEN, float(window.speech_share.max()))
    return float(np.percentile(window.lattice[:, TAU][spoken].numpy(), _PERCENTILE))


def log_sum_exp(window: LatticeWindow) -> float:
    """AVH-Align (Smeu et al., CVPR 2025): log Σ exp(-fit) over time, without shift. Grows with the clip."""
    return _log_sum_exp(window.lattice[:, TAU], window.speech_share)


def log_mean_exp(window: LatticeWindow) -> float:
    """AVH-Align's reading with the mean in place of the sum, at the lag.

    A mean does not grow with the clip. Without shift it punishes the constant lags of real files: on the default
    model's features the AUC of swapped audio is 0.70, with shift 0.91.
    """
    column = window.lattice[:, TAU + window.lag]
    valid = ~column.isnan()
    share = window.speech_share[valid]
    return _log_sum_exp(column[valid], share) - float(share.sum().log())


def _log_sum_exp(fits: Tensor, weight: Tensor) -> float:
    return float((weight.log() - fits).logsumexp(dim=0))
