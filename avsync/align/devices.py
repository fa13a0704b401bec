"""Sums over the devices of a training. On one device nothing is exchanged, and nothing changes."""

from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function


def device_count() -> int:
    """How many devices train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_devices(loss: Tensor, weight: Tensor) -> Tensor:
    """This device's share of a loss that is a weighted mean over the batches of all devices.

    DistributedDataParallel averages gradients over devices. The mean of the devices' means is not the mean over their
    whole batch if the devices hold different amounts of speech; the mean of what this returns is.

    Args:
        loss: float [], the weighted mean over the batch of this device.
        weight: float [], the sum of the weights of this batch.

    Returns:
        float []; on one device the loss as it is.
    """
    devices = device_count()
    if devices == 1:
        return loss
    total = weight.detach().clone()
    dist.all_reduce(total)
    return loss * (devices * weight.detach() / total.clamp(min=1e-6))


def sum_over_devices(values: Tensor) -> Tensor:
    """The sum of a tensor over all devices; gradients flow back to each of them."""
    total: Tensor = _Sum.apply(values)
    return total


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total: Tensor = _Sum.apply(gradient.contiguous())
        return total
