"""Clips that are faster or slower, with other frame rates, or with pictures that stand still."""

import random
from pathlib import Path

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.graphs import Samples, filtered_samples, fitted
from avsync.evaluate.manipulations.interface import CannotManipulate, Make, Source
from avsync.evaluate.manipulations.rewrite import Heard, Pictures, rewrite
from avsync.media import FPS, frames


def stretched(percent: float) -> Make:
    """Make the clip last so much longer, pictures and sound alike, so that the lips stay in sync.

    No picture is added or left out: their times are multiplied, so the frame rate changes. The sound keeps its pitch:
    WSOLA (`atempo`).
    """
    factor = 1 + percent / 100

    def effect(samples: Samples, _: Source, __: random.Random) -> Samples:
        return fitted(filtered_samples(samples, (("atempo", str(1 / factor)),)), round(len(samples) * factor))

    slower, same = changed(pictures=Pictures(), heard=Heard(effect), lasts=factor), changed(heard=Heard(effect))

    def make(source: Source, target: Path, chance: random.Random) -> Path:
        return slower(source, target, chance) if has_pictures(source.path) else same(source, target, chance)

    return make


def has_pictures(path: Path) -> bool:
    """Return whether a file has moving pictures. Raises CannotJudge: `unreadable`."""
    from avsync.media.probe import probe

    return probe(path).has_video


def at_rate(rate: int) -> Make:
    """Show at each new time the last picture of the clip; copy the sound."""
    return changed(pictures=Pictures(chain=(("fps", f"{rate}:round=up"),), rate=rate))


def repeating(rate: int) -> Make:
    """Show only so many new pictures per second, each until the next one is due, in a file of 25 per second."""
    due = f"lt(ceil(n*{rate}/{FPS})\\,(n+1)*{rate}/{FPS})"
    chain = (("fps", str(FPS)), ("select", due), ("fps", f"{FPS}:round=up"))
    return changed(pictures=Pictures(chain=chain, rate=FPS))


def frozen(seconds: float) -> Make:
    """Let one picture, drawn by chance, stand still for some seconds, in a file of 25 per second."""

    def make(source: Source, target: Path, chance: random.Random) -> Path:
        total = sum(1 for _ in frames(source.path))
        count = min(round(seconds * FPS), total - 1)
        if count < 1:
            raise CannotManipulate("the clip has fewer than two pictures")
        first = chance.randrange(total - count)
        moving = f"not(between(n\\,{first + 1}\\,{first + count - 1}))"
        chain = (("fps", str(FPS)), ("select", moving), ("fps", f"{FPS}:round=up"))
        return rewrite(source, target, chance, pictures=Pictures(chain=chain, rate=FPS))

    return make
