"""What is asked of the tensors of any checkpoint."""

from torch import Tensor


def is_finite(tensor: Tensor) -> bool:
    """Whether it holds numbers only: NaN is the least and the greatest of its tensor, a tenth of isfinite's time."""
    return not tensor.numel() or all(bool(bound.isfinite()) for bound in tensor.aminmax())
