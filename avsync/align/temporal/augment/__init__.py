"""Augmentation that keeps lips and speech in sync, so that a model of few speakers works on other people.

Each function draws random numbers only from the generator it is given.
"""

from avsync.align.temporal.augment.lips import augment_geometry, augment_mouths
from avsync.align.temporal.augment.sound import augment_mel

__all__ = ["augment_geometry", "augment_mel", "augment_mouths"]
