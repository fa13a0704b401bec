"""Blending in the gradient domain: the source keeps its detail and takes on the colours of the target at the edge."""

import torch
from torch import Tensor

from avsync.reconstruct.face.tensors import blurred

# Sweeps at each size. The start comes from half the size, so that few are needed.
_SWEEPS = 12
_SMALLEST = 4
# The last part of the way to the edge fades, since the textures of two faces do not meet.
_OUTER = 0.35
# The membrane is smooth: it is computed at a quarter of the size. Its values at the edge are averaged over 1/32 of the
# side and bounded: where hair or glasses cross the edge a little beside their place, colours would run into the face.
_SMALLER = 4
_AVERAGED = 1 / 32
_BOUND = 24.0  # grey levels


def poisson(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Clone the gradients of the source into the target (Pérez et al. 2003; see `Blending.function`).

    The result is the source plus a membrane: the function without curvature that is target - source at the edge.
    """
    height, width = mask.shape[-2:]
    difference, inside = (_shrunk(pictures, _SMALLER) for pictures in (target - source, (mask > 0).float()))
    at_edge = blurred(difference, width * _AVERAGED / _SMALLER).clamp(-_BOUND, _BOUND)
    small = membrane(at_edge, (inside < 0.5).float())
    shift = torch.nn.functional.interpolate(small, (height, width), mode="bilinear", align_corners=False)
    return target + (source + shift - target) * (mask / _OUTER).clamp(0, 1)


def membrane(values: Tensor, known: Tensor) -> Tensor:
    """Return values that are given where they are known and harmonic elsewhere, in about the size of a grey level.

    A cascade from small pictures to large ones (Bornemann & Deuflhard 1996), with Jacobi sweeps.

    Args:
        values: float32 [T, C, H, W].
        known: float32 [T, 1, H, W], 1 where a value is known, else 0.
    """
    height, width = values.shape[-2:]
    if min(height, width) <= _SMALLEST:
        share = known.mean(dim=(-2, -1), keepdim=True).clamp(min=1e-6)
        mean = (values * known).mean(dim=(-2, -1), keepdim=True) / share
        start = mean.expand_as(values)
    else:
        share = _shrunk(known)
        coarse = membrane(_shrunk(values * known) / share.clamp(min=1e-6), (share > 0).float())
        start = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    given = values * known
    free = 1 - known
    found = given + free * start
    for _ in range(_SWEEPS):
        found = given + free * _neighbours(found)
    return found


def _shrunk(pictures: Tensor, factor: int = 2) -> Tensor:
    return torch.nn.functional.avg_pool2d(pictures, factor, ceil_mode=True, count_include_pad=False)


def _neighbours(pictures: Tensor) -> Tensor:
    """The mean of the four neighbours, edges repeated."""
    padded = torch.nn.functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return (across + padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]) / 4
