"""The lip front end of AV-HuBERT: a 3-D convolution over time and picture, then ResNet-18 on every frame."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

FEATURE_DIM = 512  # values per frame
_CHANNELS = (64, 128, 256, FEATURE_DIM)
_REACH = 2  # frames of context of the stem, before and after
# Frames at a time: on a CPU their activations still fit the cache; a GPU needs more to be busy.
_PIECE_CPU, _PIECE_GPU = 40, 1250


class ResNet(nn.Module):
    """A 5x7x7 convolution, ResNet-18 (He et al., 2016) with a PReLU per channel, and the mean over the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(1, _CHANNELS[0], (2 * _REACH + 1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(_CHANNELS[0]),
            nn.PReLU(_CHANNELS[0]),
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.trunk = nn.Sequential()
        for number, (before, after) in enumerate(zip((_CHANNELS[0], *_CHANNELS), _CHANNELS, strict=False), 1):
            self.trunk.add_module(f"layer{number}", nn.Sequential(_Block(before, after), _Block(after, after)))

    def forward(self, frames: Tensor) -> Tensor:
        """Return the features of one clip, computed piece by piece to bound memory; pieces do not change the result.

        Args:
            frames: float32 [T, H, W].

        Returns:
            float32 [T, 512].
        """
        filled = pad(frames, (0, 0, 0, 0, _REACH, _REACH))
        size = _PIECE_CPU if frames.device.type == "cpu" else _PIECE_GPU
        return torch.cat([self._piece(filled[at : at + size + 2 * _REACH]) for at in range(0, len(frames), size)])

    def _piece(self, frames: Tensor) -> Tensor:
        pictures = self.stem(frames[None, None])[0].transpose(0, 1)
        pooled = self.pool(pictures.contiguous(memory_format=torch.channels_last))
        features: Tensor = self.trunk(pooled).mean(dim=(2, 3))
        return features


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut; the first halves the picture where the channels double."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        stride = after // before
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu1 = nn.PReLU(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu2 = nn.PReLU(after)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu1(self.bn1(self.conv1(x)))
        out: Tensor = self.relu2(self.bn2(self.conv2(x)) + shortcut)
        return out
