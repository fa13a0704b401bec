"""Which real clips a stress set is made of, and what is made of each: drawn from a seed, the same every time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError
from avsync.reconstruct.face import BLENDINGS, FACE_RECONSTRUCTIONS, load_face_reconstruction


@dataclass(frozen=True, slots=True)
class Slot:
    """One reconstruction that is wanted.

    Attributes:
        number: its place, from 0 on.
        kind, blending: how it is made, as `rebuild_face` calls them.
    """

    number: int
    kind: str
    blending: str


def slots(kinds: Sequence[str], blendings: Sequence[str], clips: int) -> list[Slot]:
    """Return so many slots, with kinds, and the blendings of each kind, as even as can be."""
    pairs = [(kinds[n % len(kinds)], blendings[n // len(kinds) % len(blendings)]) for n in range(clips)]
    return [Slot(number, *pair) for number, pair in enumerate(pairs)]


def source_of(slot: Slot, tried: int, sources: int, seed: int) -> int:
    """Return which of the sources the slot is made of after so many tries.

    Every so many slots take each source once, in an order that is drawn anew: kinds and clips have nothing to do with
    each other. The tries of a slot take different sources.
    """
    round_, place = divmod(slot.number, sources)
    order = Random(f"{seed} {round_}").sample(range(sources), sources)
    return order[(place + tried) % sources]


def drawn(records: Sequence[ClipRecord], seed: int) -> list[ClipRecord]:
    """Return clips in the order in which they are looked at: one of each person, then a second of each, and so on."""
    chance, people = Random(seed), defaultdict[str, list[ClipRecord]](list)
    for record in sorted(records, key=lambda record: record.name):
        people[record.identity].append(record)
    order = [chance.sample(clips, len(clips)) for clips in chance.sample(list(people.values()), len(people))]
    return [record for record in chain.from_iterable(zip_longest(*order)) if record is not None]


def chosen_kinds(named: str | None, device: str) -> list[str]:
    """Return the kinds that are named, joined by commas, or all that need no weights; each of them can be loaded.

    Raises:
        UsageError: no such kind, one that is named twice, or weights or a package that are missing.
    """
    kinds = [kind.strip() for kind in named.split(",")] if named else list(FACE_RECONSTRUCTIONS)
    if len({method_of(kind) for kind in kinds}) < len(kinds):
        raise UsageError("--kinds: a kind is named twice; of two networks the files need different names")
    for kind in kinds:
        load_face_reconstruction(kind, device)
    return kinds


def chosen_blendings(named: str | None) -> list[str]:
    """Return the ways of blending that are named, joined by commas, or all.

    Raises:
        UsageError: there is no such way, or one is named twice.
    """
    blendings = [blending.strip() for blending in named.split(",")] if named else list(BLENDINGS)
    if unknown := [blending for blending in blendings if blending not in BLENDINGS]:
        raise UsageError(f"'{unknown[0]}': not a way of blending; choose from {', '.join(BLENDINGS)}")
    if len(set(blendings)) < len(blendings):
        raise UsageError("--blendings: one is named twice")
    return blendings


def method_of(kind: str) -> str:
    """What results call a kind: its name; of a network also the name of its file, without the folder."""
    network, _, source = kind.partition(":")
    return f"{network}:{Path(source).stem}" if source else kind
