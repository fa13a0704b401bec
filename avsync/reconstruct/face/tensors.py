"""Pictures as tensors: where whole stacks of them are filtered, shrunk and warped."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.reconstruct.face.interface import Pictures


def to_tensor(pictures: Pictures) -> Tensor:
    """Return float32 [T, 3, S, S] of pictures [T, S, S, 3]; values stay, 0 to 255."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()


def to_pictures(tensor: Tensor) -> NDArray[np.float32]:
    """Return float32 [T, S, S, 3] of a tensor [T, 3, S, S]."""
    return np.asarray(tensor.permute(0, 2, 3, 1).contiguous().numpy())


def blurred(tensor: Tensor, sigma: float) -> Tensor:
    """Return [T, C, H, W] filtered by a Gaussian of standard deviation `sigma` pixels, edges repeated."""
    radius = min(max(1, round(3 * sigma)), min(tensor.shape[-2:]) - 1)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2)
    taps = taps / taps.sum()
    flat = tensor.reshape(-1, 1, *tensor.shape[-2:])
    padded = torch.nn.functional.pad(flat, (radius, radius, radius, radius), mode="replicate")
    across = torch.nn.functional.conv2d(padded, taps.reshape(1, 1, 1, -1))
    return torch.nn.functional.conv2d(across, taps.reshape(1, 1, -1, 1)).reshape(tensor.shape)


def resized(tensor: Tensor, height: int, width: int, mode: str = "bicubic") -> Tensor:
    """Return [T, C, height, width]; without aliasing where it gets smaller."""
    return torch.nn.functional.interpolate(tensor, (height, width), mode=mode, align_corners=False, antialias=True)
