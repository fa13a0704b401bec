"""The ResNet of mouths beside frozen speech features; `data` and `module` need the `train` extra."""

from avsync.align.resnet.head import ResNetAligner, ResNetConfig, ResNetOptions

__all__ = ["ResNetAligner", "ResNetConfig", "ResNetOptions"]
