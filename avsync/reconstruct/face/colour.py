"""Colour transfer in Lab, region by region, so that a reconstruction has the colours of the face it covers."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor

from avsync.reconstruct.face.tensors import resized, to_pictures, to_tensor

_STEADY = 5.0  # frames, standard deviation of the average over time: colours must not flicker
_SPREAD = (0.6, 1.6)  # how much more or less colours may spread
_HALF = 2  # colours are smooth: half the size is enough to see how they change


@dataclass(frozen=True)
class _Colours:
    """Mean and standard deviation in Lab of each region, float64 [T, R, 3]."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def with_colours_of(source: Tensor, target: Tensor, regions: Tensor, face: Tensor) -> Tensor:
    """Return the source with the mean and the spread of colours that the target has (Reinhard et al. 2001).

    Args:
        source, target: float32 [T, 3, S, S].
        regions: float32 [T, R, S, S], how much a pixel belongs to each region; sums are 1.
        face: float32 [T, 1, S, S], where colours are looked at; they change everywhere.
    """
    size = source.shape[-1] // _HALF
    small, there = (resized(pictures, size, size, mode="bilinear").clamp(0, 255) for pictures in (source, target))
    shares, seen = (
        np.asarray(resized(masks, size, size, mode="bilinear").permute(0, 2, 3, 1).numpy())
        for masks in (regions, regions * face)
    )
    mine = _lab(small)
    now, wanted = _colours(mine, seen), _colours(_lab(there), seen)
    gain = np.clip(wanted.spread / np.maximum(now.spread, 1e-3), *_SPREAD)
    shift = wanted.mean - gain * now.mean
    # What each pixel becomes in each region, mixed by its shares in them.
    gains, shifts = (np.einsum("thwr,trc->thwc", shares, value.astype(np.float32)) for value in (gain - 1, shift))
    changed = to_tensor(np.asarray(lab2rgb(mine * (1 + gains) + shifts) * 255, np.float32)) - small
    return source + torch.nn.functional.interpolate(changed, source.shape[-2:], mode="bilinear", align_corners=False)


def _lab(pictures: Tensor) -> NDArray[np.float32]:
    return np.asarray(rgb2lab(to_pictures(pictures) / 255), np.float32)


def _colours(lab: NDArray[np.float32], shares: NDArray[np.float32]) -> _Colours:
    total = np.maximum(shares.sum(axis=(1, 2)), 1e-6)[..., None]
    mean = np.einsum("thwr,thwc->trc", shares, lab) / total
    square = np.einsum("thwr,thwc->trc", shares, lab * lab) / total
    mean, square = (gaussian_filter1d(value, _STEADY, axis=0, mode="nearest") for value in (mean, square))
    return _Colours(mean, np.sqrt(np.maximum(square - mean**2, 1e-6)))
