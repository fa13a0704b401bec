"""The base class and the layers of models that learn one space for lips and speech."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from avsync.align.aligner import Aligner

# Inverse temperature at the start (training ends at 12-17), and its upper bound.
_INITIAL_TEMPERATURE, _MAX_TEMPERATURE = 12.0, 50.0


class Contrastive(Aligner):
    """Lips and speech become features of unit length; their dot product says how well they fit."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self._log_temperature = nn.Parameter(torch.tensor(math.log(_INITIAL_TEMPERATURE)))

    @property
    def temperature(self) -> Tensor:
        """The factor of dot products before a softmax (an inverse temperature), float []."""
        return self._log_temperature.exp().clamp(max=_MAX_TEMPERATURE)


class TemporalBlock(nn.Module):
    """A residual dilated convolution over time, from [B, width, T] to [B, width, T]."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        change: Tensor = self.dropout(gelu(self.norm(self.convolution(x))))
        return x + change


def normed(convolution: nn.Conv1d) -> tuple[nn.Module, ...]:
    """A convolution, its batch norm, and GELU."""
    return convolution, nn.BatchNorm1d(convolution.out_channels), nn.GELU()
