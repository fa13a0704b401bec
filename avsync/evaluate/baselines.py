"""Two shortcuts that see no face: what they reach, a detector trained on fakes may have learned instead."""

from pathlib import Path

import numpy as np

from avsync.errors import CannotJudge
from avsync.media import RATE, audio_blocks, probe
from avsync.speech import PAPER_THRESHOLD


def leading_silence(path: Path) -> float:
    """Seconds before the first sample with |x| > 0.0005 at 16 kHz.

    The whole length when there is no such sample, NaN when there is no sound.
    """
    samples = 0
    try:
        for block in audio_blocks(path):
            loud = np.flatnonzero(np.abs(block) > PAPER_THRESHOLD)
            if len(loud):
                return float(samples + loud[0]) / RATE
            samples += len(block)
    except CannotJudge:
        return float("nan")
    return samples / RATE if samples else float("nan")


def duration(path: Path) -> float:
    """Length of the file in seconds, as its header says; NaN when it cannot be read."""
    try:
        return probe(path).duration
    except CannotJudge:
        return float("nan")
