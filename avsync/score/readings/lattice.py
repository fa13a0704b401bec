"""Readings of the lattice, of a window or of a whole track: one number each.

Frames count by their share of speech; with `trim="none"` all count the same, as published.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.align.lattice import TAU, mean_over_time
from avsync.align.losses import SPOKEN

# Constant lags of real web video reach 7 frames: readings look for the best offset within this many.
MAX_LAG = 8
# The worst moment lasts so many frames, 0.6 s: two to three syllables.
_MOMENT = 15
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
    column = window.lattice[:, TAU + window.lag]
    weight = window.speech_share * ~column.isnan()
    moments = torch.stack([column.nan_to_num() * weight, weight]).unfold(1, min(_MOMENT, len(column)), 1).sum(dim=2)
    # A moment counts if it holds at least half as much speech as the fullest.
    means = (moments[0] / moments[1].clamp(min=1e-6))[moments[1] >= 0.5 * moments[1].max()]
    return float(means.min() - window.curve[TAU + window.lag])


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
