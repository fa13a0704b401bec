"""Blending by a soft edge."""

from torch import Tensor


def feathered(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Fade from the target to the source (see `Blending.function`)."""
    return target + mask * (source - target)
