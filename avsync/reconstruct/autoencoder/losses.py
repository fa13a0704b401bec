"""How far rebuilt pictures are from real ones: pixels, gradients and structure, at several scales.

Distances of pixels alone give blurred pictures. Gradients keep edges (Mathieu et al., ICLR 2016, section 3.2), and
structural similarity follows what people see (Wang et al., Asilomar 2003; as a loss: Zhao et al., IEEE TCI 2017). None
needs weights from elsewhere.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

_GRADIENT_SCALES, _STRUCTURE_SCALES = 4, 3  # each has half the rows and columns of the one before
_WINDOW = 7  # pixels of a side, of structural similarity
# Of pictures in [0, 1] (Wang et al., IEEE TIP 2004, section III-B).
_C1, _C2 = 0.01**2, 0.03**2


def gradient_distance(rebuilt: Tensor, real: Tensor) -> Tensor:
    """The mean absolute distance of gradients over four scales, of pictures float32 [B, 3, S, S]; a scalar."""
    losses = []
    for _ in range(_GRADIENT_SCALES):
        losses += [(rebuilt.diff(dim=dim) - real.diff(dim=dim)).abs().mean() for dim in (2, 3)]
        rebuilt, real = avg_pool2d(rebuilt, 2), avg_pool2d(real, 2)
    return torch.stack(losses).mean()


def structure_distance(rebuilt: Tensor, real: Tensor) -> Tensor:
    """1 minus the mean structural similarity over three scales, of pictures float32 [B, 3, S, S]; a scalar."""
    losses = []
    for _ in range(_STRUCTURE_SCALES):
        losses.append(1 - _similarity(rebuilt, real).mean())
        rebuilt, real = avg_pool2d(rebuilt, 2), avg_pool2d(real, 2)
    return torch.stack(losses).mean()


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM in each window, with a box for the window."""
    mean_a, mean_b = _mean(a), _mean(b)
    variance_a, variance_b = _mean(a * a) - mean_a**2, _mean(b * b) - mean_b**2
    covariance = _mean(a * b) - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return brightness * (2 * covariance + _C2) / (variance_a + variance_b + _C2)


def _mean(x: Tensor) -> Tensor:
    return avg_pool2d(x, _WINDOW, stride=1)
