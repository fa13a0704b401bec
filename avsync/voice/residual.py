"""The network that reads spectrograms: a small ResNet (He et al., CVPR 2016) that knows which frequency it looks at."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ResidualNetwork(nn.Module):
    """Convolutions that halve frequency four times and time twice.

    Unlike in pictures, the same pattern means something else at another frequency, so each place is given its frequency
    beside its power (Liu et al., "CoordConv", NeurIPS 2018).

    Args:
        widths: channels of the entry and of the three stages.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        entry, first, second, third = widths
        self.enter = nn.Sequential(
            nn.Conv2d(2, entry, 5, stride=(2, 1), padding=2, bias=False), nn.BatchNorm2d(entry), nn.ReLU()
        )
        self.stages = nn.ModuleList(
            [_Stage(entry, first, (2, 2)), _Stage(first, second, (2, 2)), _Stage(second, third, (2, 1))]
        )

    def forward(self, spectrogram: Tensor) -> list[Tensor]:
        """Return the maps of the three stages, float32 [B, C, F, M], of float32 [B, F, M]."""
        x = spectrogram[:, None]
        rows = torch.linspace(-1, 1, x.shape[2], device=x.device)[:, None].expand_as(x)
        x = self.enter(torch.cat([x, rows], dim=1))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class _Stage(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, narrow: int, wide: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(narrow, wide, 3, stride, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, 1, 1, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(narrow, wide, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x) + self.shortcut(x))
