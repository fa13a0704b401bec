"""Detail and grain of a reconstruction, made as strong as those of the picture around it."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from avsync.reconstruct.camera import sensor_noise
from avsync.reconstruct.face.pyramid import collapsed, laplacian
from avsync.reconstruct.face.tensors import to_tensor

_BANDS = 2  # of detail: as fine as pixels and half as fine
_GAIN = (0.5, 1.5)  # more would make blocks and rings of codecs visible
_STEADY = 5.0  # frames, standard deviation of the average over time
_GRAIN = 0.5  # pixels over which the grain of neighbours is alike, as after a codec
# Immerkær 1996, "Fast noise variance estimation": blind to edges, and a standard deviation of 6 for noise of 1. The
# median is that of a normal distribution, so that few pixels with texture do not count.
_IMMERKAER = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
_OF_MEDIAN = 1 / (6 * 0.6745)


def with_detail_of(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the source with as much fine detail inside the mask as the target has there.

    Args:
        source, target: float32 [T, 3, S, S].
        mask: float32 [T, 1, S, S].
    """
    bands = laplacian(source, _BANDS)
    wanted = laplacian(target, _BANDS)
    here = mask
    for index in range(_BANDS):
        gain = np.sqrt(_energy(wanted[index], here) / np.maximum(_energy(bands[index], here), 1e-6))
        bands[index] = bands[index] * torch.from_numpy(gain.clip(*_GAIN).astype(np.float32))[:, None, None, None]
        here = torch.nn.functional.avg_pool2d(here, 2, ceil_mode=True, count_include_pad=False)
    return collapsed(bands)


def with_grain_of(source: Tensor, target: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the source with noise added until it has as much inside the mask as the target has there."""
    missing = max(0.0, noise_level(target, mask) ** 2 - noise_level(source, mask) ** 2) ** 0.5
    shape = (len(source), *source.shape[-2:], source.shape[1])
    grain: Tensor = missing * to_tensor(sensor_noise(shape, _GRAIN, rng))
    return source + grain


def noise_level(pictures: Tensor, mask: Tensor) -> float:
    """Standard deviation of the noise inside a mask, in grey levels; arguments as in `with_detail_of`."""
    grey = pictures.mean(dim=1, keepdim=True)
    edges = torch.nn.functional.conv2d(grey, _IMMERKAER[None, None], padding=1)
    inside = edges[mask > 0.5]
    return float(inside.abs().median()) * _OF_MEDIAN if len(inside) else 0.0


def _energy(band: Tensor, mask: Tensor) -> NDArray[np.float64]:
    """Mean square inside a mask, averaged over time, float64 [T]."""
    # numpy, since sums of torch depend on the number of threads.
    square, shares = band.square().mean(dim=1).double().numpy(), mask[:, 0].double().numpy()
    inside = (square * shares).sum(axis=(1, 2)) / np.maximum(shares.sum(axis=(1, 2)), 1)
    return np.asarray(gaussian_filter1d(inside, _STEADY, mode="nearest"))
