"""The pairs of a stress set that a detector is fine-tuned on, and those of other people it is validated on."""

from collections.abc import Sequence
from pathlib import Path

from avsync.appearance.config import SIDE
from avsync.appearance.stress import StressPair
from avsync.config import DataConfig
from avsync.datasets.record import ClipRecord
from avsync.datasets.registry import open_dataset
from avsync.datasets.splits import split_by_speaker
from avsync.errors import UsageError
from avsync.reconstruct.stored_footage import FootageConfig, StoredFootage
from avsync.stress.provenance import FILE, read_stress_set
from avsync.train.footage import decode_footage
from avsync.train.split import Split


def find_stress_pairs(
    config: DataConfig, footage: FootageConfig, left_out: Sequence[str], seed: int
) -> Split[StressPair]:
    """Find the clips of a stress set, decode those that the cache lacks, and split the pairs by people.

    Pairs of people to train on, of kinds that are left out, are used for neither side.

    Args:
        config: where the set is.
        footage: what is kept of a clip.
        left_out: kinds of reconstruction that validate only.
        seed: of the choice of people to validate on.

    Raises:
        UsageError: the folder is not one that `avsync stress` finished, a kind is not in it, or one side is empty.
    """
    records = _records(Path(config.root))
    kinds = {record.method for record in records if record.label == "fake"}
    if unknown := sorted(set(left_out) - kinds):
        raise UsageError(f"stress.left_out: {unknown[0]} is not in {config.root}; it has {', '.join(sorted(kinds))}")
    own, others = split_by_speaker(records, config.validation, config.validation_share, seed)
    stored = {made.name: made for made in decode_footage(records, config, footage, SIDE)}
    training = [pair for pair in _pairs(own, stored) if pair.kind not in left_out]
    validation = _pairs(others, stored)
    if not training or not validation:
        raise UsageError(f"{config.root}: no usable pair on one side of the split; change data.validation_share")
    return Split(training, validation, len(records) - len(stored))


def _records(root: Path) -> list[ClipRecord]:
    """The clips of a stress set. The file that `avsync stress` writes says that all its fakes are reconstructions."""
    made = read_stress_set(root)
    if made is None or not made.complete:
        raise UsageError(
            f"{root}: no {FILE} of a finished set; fine-tuning learns from sets of avsync stress and no other fakes"
        )
    known = {*(one.file for one in made.real), *(one.file for one in made.kept)}
    records = open_dataset(root)
    if strange := next((record for record in records if record.name not in known), None):
        raise UsageError(f"{strange.name}: {FILE} does not know this clip; make the set again with avsync stress")
    return records


def _pairs(records: Sequence[ClipRecord], stored: dict[str, StoredFootage]) -> list[StressPair]:
    real = {record.pair: stored[record.name] for record in records if record.label == "real" and record.name in stored}
    return [
        StressPair(real[record.pair], stored[record.name], record.method)
        for record in records
        if record.label == "fake" and record.pair in real and record.name in stored
    ]
