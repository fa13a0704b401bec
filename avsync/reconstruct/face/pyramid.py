"""Laplacian pyramids, and blending with them: each band of detail over an edge as wide as the band is coarse."""

import torch
from torch import Tensor

from avsync.reconstruct.face.tensors import resized

_COARSEST = 8  # pixels of the side of the last picture of a pyramid
# Edges of coarse bands are wide. So that they end inside the mask, the edge of the finest band lies deep in it, and
# what is left of them fades out over the outer part.
_EDGE = (0.45, 0.75)
_OUTER = 0.35


def multiband(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Blend each band of a Laplacian pyramid with a mask as smooth as the band (see `Blending.function`).

    Blending is linear: the pyramid is that of the difference of the two pictures.
    """
    low, high = _EDGE
    sharp = ((mask - low) / (high - low)).clamp(0, 1)
    bands = laplacian(source - target)
    masks = [sharp]
    for band in bands[1:]:
        height, width = band.shape[-2:]
        masks.append(resized(masks[-1], height, width, mode="bilinear"))
    change = collapsed([band * here for band, here in zip(bands, masks, strict=True)])
    return target + change * (mask / _OUTER).clamp(0, 1)


def laplacian(pictures: Tensor, levels: int | None = None) -> list[Tensor]:
    """Return the bands of a pyramid, finest first; the last is what is left.

    Args:
        pictures: float32 [T, C, H, W].
        levels: bands besides the last; None: until it has a side of 8 pixels.
    """
    bands: list[Tensor] = []
    while (len(bands) < levels) if levels is not None else min(pictures.shape[-2:]) >= 2 * _COARSEST:
        height, width = pictures.shape[-2:]
        small = resized(pictures, (height + 1) // 2, (width + 1) // 2, mode="bilinear")
        bands.append(pictures - _enlarged(small, height, width))
        pictures = small
    return [*bands, pictures]


def collapsed(bands: list[Tensor]) -> Tensor:
    """Return the pictures of a pyramid, the inverse of `laplacian`."""
    pictures = bands[-1]
    for band in reversed(bands[:-1]):
        pictures = band + _enlarged(pictures, *band.shape[-2:])
    return pictures


def _enlarged(pictures: Tensor, height: int, width: int) -> Tensor:
    return torch.nn.functional.interpolate(pictures, (height, width), mode="bilinear", align_corners=False)
