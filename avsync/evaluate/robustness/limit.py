"""A few clips of each class, for a quick run."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice, zip_longest

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError


def limited(records: Sequence[ClipRecord], per_class: int) -> list[ClipRecord]:
    """Return at most so many real clips and so many fakes, in the order of `records`, always the same ones.

    Types take turns, and so do the methods of a type; hashes of names decide who comes first.

    Raises:
        UsageError: `per_class` is not positive.
    """
    if per_class < 1:
        raise UsageError(f"--limit {per_class}: must be at least 1")
    classes: dict[str, dict[str, dict[str, list[ClipRecord]]]] = {}
    for record in sorted(records, key=lambda one: _hash(one.name)):
        types = classes.setdefault(record.label, {})
        types.setdefault(record.type, defaultdict(list))[record.method].append(record)
    chosen = set[str]()
    for types in classes.values():
        of_types = [_turns([of[name] for name in sorted(of, key=_hash)]) for _, of in sorted(types.items())]
        chosen |= {record.name for record in islice(_turns(of_types), per_class)}
    return [record for record in records if record.name in chosen]


def _turns(queues: Sequence[Iterable[ClipRecord]]) -> Iterator[ClipRecord]:
    """The first of each, then the second of each, and so on."""
    for turn in zip_longest(*queues):
        yield from (record for record in turn if record is not None)


def _hash(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogateescape")).digest()
