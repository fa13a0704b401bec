"""A few clips of each class, for a quick run."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from itertools import chain, zip_longest

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError


def limited(records: Sequence[ClipRecord], per_class: int) -> list[ClipRecord]:
    """Return at most so many real clips and so many fakes, in the order of `records`, always the same ones.

    Types and methods take turns, and a hash of the name chooses among the clips of one method.

    Raises:
        UsageError: `per_class` is not positive.
    """
    if per_class < 1:
        raise UsageError(f"--limit {per_class}: must be at least 1")
    methods: dict[str, dict[tuple[str, str], list[ClipRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in sorted(records, key=lambda one: sha256(one.name.encode("utf-8", "surrogateescape")).digest()):
        methods[record.label][record.type, record.method].append(record)
    chosen = set[str]()
    for of_label in methods.values():
        turns = chain.from_iterable(zip_longest(*(of_label[key] for key in sorted(of_label))))
        chosen |= {record.name for record in [one for one in turns if one is not None][:per_class]}
    return [record for record in records if record.name in chosen]
