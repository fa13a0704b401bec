"""Lips and speech into one space, the lattice of how they fit, and how that is learned.

`align.data` and `align.module` need the `train` extra and are imported by name.
"""

from avsync.align.aligner import Aligner, Head
from avsync.align.checkpoint import EMBEDDED, Checkpoint, load_checkpoint, save_checkpoint
from avsync.align.cosine import CosineAligner, CosineConfig
from avsync.align.lattice import TAU, lattice, mean_over_time
from avsync.align.losses import info_nce
from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.align.temporal.model import TemporalConfig, TemporalAligner

__all__ = [
    "EMBEDDED",
    "TAU",
    "Aligner",
    "TemporalConfig",
    "Checkpoint",
    "CosineAligner",
    "CosineConfig",
    "Head",
    "MLPAligner",
    "MLPConfig",
    "TemporalAligner",
    "info_nce",
    "lattice",
    "load_checkpoint",
    "mean_over_time",
    "save_checkpoint",
]
