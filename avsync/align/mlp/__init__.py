"""The head of AVH-Align on frozen features; `data` and `module` need the `train` extra."""

from avsync.align.mlp.config import MLPConfig
from avsync.align.mlp.model import MLPAligner

__all__ = ["MLPAligner", "MLPConfig"]
