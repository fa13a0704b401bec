"""Encoders of pictures and of sound at lower and lower rates."""

import random
from pathlib import Path

from avsync.evaluate.manipulations.interface import Make, Source
from avsync.evaluate.manipulations.rewrite import Heard, Pictures, rewrite


def encoded_pictures(codec: str, **options: str) -> Make:
    """Encode the pictures again, with an encoder of FFmpeg and its options; copy the sound."""
    return changed(pictures=Pictures(codec=codec, options=options))


def encoded_sound(codec: str, bit_rate: int) -> Make:
    """Encode the sound again, with an encoder of FFmpeg at so many bits per second; copy the pictures."""
    return changed(heard=Heard(codec=codec, bit_rate=bit_rate))


def changed(*, pictures: Pictures | None = None, heard: Heard | None = None, lasts: float = 1.0) -> Make:
    """Make a copy with these changes (`avsync.evaluate.manipulations.rewrite`)."""

    def make(source: Source, target: Path, chance: random.Random) -> Path:
        return rewrite(source, target, chance, pictures=pictures, heard=heard, lasts=lasts)

    return make
