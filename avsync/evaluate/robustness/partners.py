"""Whose speech is put behind, or mixed with, that of a clip."""

import random
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass

from avsync.datasets.record import ClipRecord
from avsync.evaluate.manipulations import Manipulation
from avsync.evaluate.manipulations.noise import TALKERS

# Copies that keep the time of the original. Text-to-speech of the same sentence would be two voices at once.
_IN_TIME = frozenset({"vocoder", "codec"})
# Of clips drawn, some are of the person himself.
_DRAWN = 8 * TALKERS


@dataclass(frozen=True)
class Partners:
    """The real clips of a data set, and copies of its sound.

    Attributes:
        real: the real clips that are judged.
        copies: by name of a real clip of sound alone, the copies that keep its time.
    """

    real: list[ClipRecord]
    copies: dict[str, list[ClipRecord]]

    def applies(self, manipulation: Manipulation, record: ClipRecord) -> bool:
        """Whether a manipulation is made of a clip: mixes only of real clips, pictures only where there are some."""
        match manipulation.suite:
            case "mixing":  # another person's speech, without a face, would be two voices and no lie
                return record.label == "real" and record.has_picture
            case "copy mixing":
                return record.name in self.copies
            case _:
                return manipulation.kind != "picture" or record.has_picture

    def others(self, manipulation: Manipulation, record: ClipRecord) -> list[ClipRecord]:
        """The clips whose sound is added: a copy of the clip, or real clips of other people, always the same ones."""
        if not manipulation.others:
            return []
        if manipulation.suite == "copy mixing":
            return self.copies[record.name][: manipulation.others]
        chance = random.Random(f"others of {record.name}")
        drawn = chance.sample(self.real, min(_DRAWN, len(self.real)))
        people = {one.identity: one for one in drawn if one.identity != record.identity}
        return list(people.values())[: manipulation.others]


def partners_of(records: Sequence[ClipRecord], judged: Container[str]) -> Partners:
    """Return the partners that clips find among one another; `judged` names those whose sound can be used."""
    usable = [record for record in records if record.name in judged]
    return Partners([record for record in usable if record.label == "real"], dict(_copies(usable)))


def _copies(records: Sequence[ClipRecord]) -> dict[str, list[ClipRecord]]:
    first = {(record.page, record.pair): record for record in reversed(records) if record.label == "real"}
    found: dict[str, list[ClipRecord]] = defaultdict(list)
    for record in records:
        if record.pair and record.kind in _IN_TIME and (original := first.get((record.page, record.pair))):
            found[original.name].append(record)
    return found
