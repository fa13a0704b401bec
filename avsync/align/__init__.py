"""Lips and speech in one feature space, the lattice of how well they fit, and the models that learn this.

One folder per trainable model (`temporal`, `mlp`, `resnet`), each with `config`, `model`, `data` and `module`. `data`
and `module` need the `train` extra, so no package imports them.
"""

from avsync.align.aligner import Aligner, Head
from avsync.align.cosine import CosineAligner, CosineConfig
from avsync.align.lattice import TAU, mean_over_time
from avsync.align.losses import info_nce
from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.align.resnet import ResNetAligner, ResNetConfig
from avsync.align.temporal import TemporalAligner, TemporalConfig

__all__ = [
    "TAU",
    "Aligner",
    "CosineAligner",
    "CosineConfig",
    "Head",
    "MLPAligner",
    "MLPConfig",
    "ResNetAligner",
    "ResNetConfig",
    "TemporalAligner",
    "TemporalConfig",
    "info_nce",
    "mean_over_time",
]
