"""Make a reconstruction look as if the same camera had taken it: colours, detail and grain of the footage."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.reconstruct.face.colour import with_colours_of
from avsync.reconstruct.face.interface import Region
from avsync.reconstruct.face.outline import Steady
from avsync.reconstruct.face.regions import outline_of
from avsync.reconstruct.face.sharpness import with_detail_of, with_grain_of

_SOFT = 0.5  # edges of regions, as in `Outline.mask`: colours fade from one to the next


def matched(source: Tensor, target: Tensor, face: Steady, rng: np.random.Generator) -> Tensor:
    """Return the source with the colours, the detail and the grain of the target.

    Args:
        source, target: float32 [T, 3, S, S].
        face: where the face is on them.
        rng: draws the grain.
    """
    grid = face.grid(target.shape[-1])
    hull, lower, mouth = (_mask(region, face, grid) for region in ("hull", "lower_face", "mouth"))
    regions = torch.cat([mouth, (1 - mouth) * lower, (1 - mouth) * (1 - lower)], dim=1)
    coloured = with_colours_of(source, target, regions, hull)
    return with_grain_of(with_detail_of(coloured, target, hull), target, hull, rng)


def _mask(region: Region, face: Steady, grid: NDArray[np.complex64]) -> Tensor:
    return torch.from_numpy(outline_of(region, face.points).mask(grid, _SOFT))[:, None]
