"""Batch norm over the batches of all devices.

PyTorch's `SyncBatchNorm` does the same on GPUs only; this one also runs on CPUs, where the tests compare it with one
device and the whole batch.
"""

from functools import partial

import torch
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from avsync.align.devices import device_count, sum_over_devices


class SharedBatchNorm(LayerSync):
    """Gives the batch norms of a model the statistics of all devices while it trains."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Exchange their forward passes; names and weights stay."""
        for layer in _layers(model):
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Take the exchange back."""
        for layer in _layers(model):
            layer.__dict__.pop("forward", None)
        return model


def _layers(model: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]


def _forward(layer: _BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of [B, C, …] (Ioffe & Szegedy, 2015), with mean and variance over the batches of all devices."""
    if not layer.training or device_count() == 1:
        return type(layer).forward(layer, x)
    values, dims = x.float(), [0, *range(2, x.dim())]
    count = values.new_tensor([x.numel() / x.shape[1]])
    sums = sum_over_devices(torch.cat([values.sum(dims), count]))
    total = sums[-1].detach()
    mean = sums[:-1] / total
    # The squares of what is left when the mean is gone: the difference of two large sums would be coarse.
    centred = values - _spread(mean, x)
    variance = sum_over_devices(centred.square().sum(dims)) / total
    _remember(layer, mean.detach(), variance.detach() * total / (total - 1))
    scaled = centred * _spread((variance + layer.eps).rsqrt(), x)
    if layer.affine:
        scaled = scaled * _spread(layer.weight, x) + _spread(layer.bias, x)
    return scaled.to(x.dtype)


def _spread(per_channel: Tensor, x: Tensor) -> Tensor:
    return per_channel.view(1, -1, *(1 for _ in x.shape[2:]))


@torch.no_grad()
def _remember(layer: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Update the running statistics as PyTorch does, with the unbiased variance."""
    if layer.running_mean is None or layer.running_var is None or layer.momentum is None:
        return
    layer.running_mean.lerp_(mean, layer.momentum)
    layer.running_var.lerp_(variance, layer.momentum)
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked += 1
