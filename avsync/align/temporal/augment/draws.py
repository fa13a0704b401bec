"""Random draws for a batch."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor


def uniform(low: float, high: float, like: Tensor, generator: Generator) -> Tensor:
    """One draw per clip, in a shape that broadcasts with `like`, [B, …]."""
    shape = (len(like), *(1 for _ in like.shape[1:]))
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Standard normal draws."""
    return torch.randn(shape, generator=generator, device=generator.device)


def for_some(share: float, change: Callable[[Tensor], Tensor], batch: Tensor, generator: Generator) -> Tensor:
    """The batch [B, …] with a random share of its clips changed."""
    chosen = torch.rand(len(batch), generator=generator, device=generator.device) < share
    if not chosen.any():
        return batch
    changed = batch.clone()
    changed[chosen] = change(batch[chosen])
    return changed
