"""Lips and speech into one space, the lattice of how they fit, and how that is learned.

`align.data` and `align.module` need the `train` extra and are imported by name.
"""

from avsync.align.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from avsync.align.lattice import lattice, mean_over_time
from avsync.align.losses import info_nce
from avsync.align.temporal import AlignerConfig, TemporalAligner

__all__ = [
    "AlignerConfig",
    "Checkpoint",
    "TemporalAligner",
    "info_nce",
    "lattice",
    "load_checkpoint",
    "mean_over_time",
    "save_checkpoint",
]
