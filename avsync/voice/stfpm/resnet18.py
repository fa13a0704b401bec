"""The first three stages of ResNet-18, whose weights torchvision publishes (ImageNet, BSD-3-Clause)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from avsync.errors import UsageError
from avsync.weights.web import published_file


class ResNet18Stages(nn.Module):
    """Maps of three depths, as STFPM takes them (Wang et al., BMVC 2021, section 3.2)."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet18

        network = resnet18(weights=None)
        self.enter = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.stages = nn.ModuleList([network.layer1, network.layer2, network.layer3])

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of a whole ResNet-18 (`published_weights`).

        Raises:
            UsageError: they are of another network.
        """
        from torchvision.models import resnet18

        whole = resnet18(weights=None)
        try:
            whole.load_state_dict(weights)
        except (RuntimeError, TypeError) as error:
            raise UsageError("resnet18: not the weights of a ResNet-18; run avsync weights pull resnet18") from error
        layers = (whole.conv1, whole.bn1, whole.layer1, whole.layer2, whole.layer3)
        for mine, other in zip((self.enter[0], self.enter[1], *self.stages), layers, strict=True):
            mine.load_state_dict(other.state_dict())

    def forward(self, spectrogram: Tensor) -> list[Tensor]:
        """Return float32 [B, C, F, M] of each stage, of log spectrograms float32 [B, 212, M]."""
        x = self.enter(spectrogram[:, None].expand(-1, 3, -1, -1))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def published_weights() -> dict[str, Any]:
    """The weights of ImageNet (`avsync weights pull resnet18`).

    Raises:
        UsageError: they are not on this machine, or the file is another one.
    """
    path = published_file("resnet18")
    try:
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can raise any error in the reader
        raise UsageError(f"{path}: cannot be read; delete it, then run: avsync weights pull resnet18") from error
    return weights
