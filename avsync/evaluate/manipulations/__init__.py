"""Changes that a recording may go through without being a fake: what robustness is measured with.

Filters and encoders are those of FFmpeg inside PyAV, the rest is numpy: no other program is needed.
"""

from avsync.evaluate.manipulations.interface import RECIPES, CannotManipulate, Kind, Make, Manipulation, Source
from avsync.evaluate.manipulations.registry import MANIPULATIONS, mixes, named, of_suite

__all__ = [
    "MANIPULATIONS",
    "RECIPES",
    "CannotManipulate",
    "Kind",
    "Make",
    "Manipulation",
    "Source",
    "mixes",
    "named",
    "of_suite",
]
