"""Move what pictures show."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def moved(pictures: Tensor, source: NDArray[np.complex128]) -> Tensor:
    """Return [T, C, h, w]: bicubic samples of pictures, edges repeated.

    Args:
        pictures: float32 [T, C, S, S].
        source: complex [T, h, w], the place x + iy (pixels) that each pixel comes from.
    """
    scaled = (source + 0.5 + 0.5j) * 2 / pictures.shape[-1] - (1 + 1j)
    grid = torch.from_numpy(np.stack([scaled.real, scaled.imag], axis=-1).astype(np.float32))
    return torch.nn.functional.grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False)
