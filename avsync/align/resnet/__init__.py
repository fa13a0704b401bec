"""A ResNet of mouth crops, trained beside frozen speech features; `data` and `module` need the `train` extra."""

from avsync.align.resnet.config import ResNetConfig, ResNetOptions
from avsync.align.resnet.model import ResNetAligner

__all__ = ["ResNetAligner", "ResNetConfig", "ResNetOptions"]
