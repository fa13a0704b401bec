"""The head of AVH-Align; `data` and `module` need the `train` extra and are imported by name."""

from avsync.align.mlp.head import MLPAligner, MLPConfig

__all__ = ["MLPAligner", "MLPConfig"]
