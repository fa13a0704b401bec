"""What looks at faces: published networks of pictures, and a small one of pictures or of clips."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

from avsync.appearance.config import CLIP_NETWORK, AppearanceConfig

_BINOMIAL = torch.tensor([1, 4, 6, 4, 1]) / 16
# Detail as large as a quarter of the standard deviation of the face becomes 1; above 3 it is cut off.
_FINE, _CUT = 0.25, 3.0


def trunk_of(config: AppearanceConfig) -> tuple[nn.Module, int]:
    """The network without its outputs, and the channels of its maps.

    It takes float32 [B, T, H, W] and returns [B, C, t, h, w].
    """
    if config.network in ("small", CLIP_NETWORK):
        return SmallTrunk(config.widths, over_time=config.network == CLIP_NETWORK), config.widths[-1]
    from torchvision import models

    network = getattr(models, config.network)(weights=None)
    if config.network == "resnet18":
        parts = (network.conv1, network.bn1, network.relu, network.maxpool)
        return FrameTrunk(nn.Sequential(*parts, *(getattr(network, f"layer{n}") for n in range(1, 5)))), 512
    return FrameTrunk(network.features), network.classifier[1].in_features


class FrameTrunk(nn.Module):
    """A network of colour pictures that looks at every frame by itself, as grey in three channels."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, frames: Tensor) -> Tensor:
        """Return maps [B, C, T, h, w] of float32 [B, T, H, W]."""
        maps: Tensor = self.layers(frames.flatten(0, 1)[:, None].expand(-1, 3, -1, -1))
        return maps.reshape(*frames.shape[:2], *maps.shape[1:]).transpose(1, 2)


class SmallTrunk(nn.Module):
    """Three residual stages that each halve rows and columns.

    It sees fine detail only: the picture less a blurred copy, with large values cut off, as detectors of hidden data do
    (Fridrich & Kodovský, IEEE TIFS 2012). The traces of a reconstruction are smaller than the face they are in.

    Over time, convolutions of pictures and of moments take turns ("R(2+1)D", Tran et al., CVPR 2018), and the last two
    stages halve the moments too.

    Args:
        widths: channels of the entry and of the stages.
        over_time: whether moments are compared; otherwise each frame is looked at by itself.
    """

    blur: Tensor

    def __init__(self, widths: Sequence[int], *, over_time: bool) -> None:
        super().__init__()
        entry, first, second, third = widths
        self.register_buffer("blur", torch.outer(_BINOMIAL, _BINOMIAL)[None, None, None], persistent=False)
        self.enter = nn.Sequential(
            nn.Conv3d(1, entry, (1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False), nn.BatchNorm3d(entry), nn.ReLU()
        )
        self.stages = nn.Sequential(
            _Stage(entry, first, over_time, 1),
            _Stage(first, second, over_time, 2 if over_time else 1),
            _Stage(second, third, over_time, 2 if over_time else 1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Return maps [B, C, t, H / 16, W / 16] of float32 [B, T, H, W]; t is T, or over time T / 4."""
        maps: Tensor = self.stages(self.enter(self._detail(frames[:, None])))
        return maps

    def _detail(self, frames: Tensor) -> Tensor:
        """The fine detail of [B, 1, T, H, W]."""
        margin = self.blur.shape[-1] // 2
        smooth = conv3d(pad(frames, (margin,) * 4 + (0, 0), mode="replicate"), self.blur)
        return ((frames - smooth) / _FINE).clamp(-_CUT, _CUT)


class _Stage(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, narrow: int, wide: int, over_time: bool, stride: int) -> None:
        super().__init__()
        strides = (stride, 2, 2)
        self.layers = nn.Sequential(
            *_convolution(narrow, wide, over_time, strides),
            nn.BatchNorm3d(wide),
            nn.ReLU(),
            *_convolution(wide, wide, over_time, (1, 1, 1)),
            nn.BatchNorm3d(wide),
        )
        self.shortcut = nn.Sequential(nn.AvgPool3d(strides, ceil_mode=True), nn.Conv3d(narrow, wide, 1, bias=False))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.relu(self.layers(x) + self.shortcut(x))
        return changed


def _convolution(narrow: int, wide: int, over_time: bool, strides: tuple[int, int, int]) -> list[nn.Module]:
    """A convolution of pictures, and over time one of moments after it."""
    moments, rows, columns = strides
    layers: list[nn.Module] = [nn.Conv3d(narrow, wide, (1, 3, 3), (1, rows, columns), (0, 1, 1), bias=False)]
    if over_time:
        layers += [
            nn.BatchNorm3d(wide),
            nn.ReLU(),
            nn.Conv3d(wide, wide, (3, 1, 1), (moments, 1, 1), (1, 0, 0), bias=False),
        ]
    return layers
