"""Which clips train, and which speakers are kept for validation."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from avsync.datasets import fakeavceleb, voxceleb2
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import UsageError

_FAKE_TYPES = set(fakeavceleb.CATEGORIES.values()) - {REAL_TYPE}


def training_records(root: Path, exclude: Sequence[str] = ()) -> list[ClipRecord]:
    """The clips of a VoxCeleb2-layout tree, all real, without the speakers that `exclude` names (globs).

    Raises:
        UsageError: no such tree, a fake in it, a glob that names no speaker, or nothing left.
    """
    if any((folder / name).is_dir() for folder in (root, *root.glob("FakeAVCeleb*")) for name in _FAKE_TYPES):
        raise UsageError(f"{root}: a tree with fakes; avsync learns from real video only, give a VoxCeleb2 tree")
    records = voxceleb2.records(root)
    excluded = _named(records, exclude, "data.exclude")
    kept = [record for record in records if record.speaker not in excluded]
    if not kept:
        raise UsageError("data.exclude: no clip is left to train on")
    refuse_fakes(kept)
    return kept


def refuse_fakes(records: Sequence[ClipRecord]) -> None:
    """Let nothing pass that is labelled fake, or lies in a folder of fakes, also behind a symbolic link.

    Raises:
        UsageError: naming the first fake.
    """
    fakes = [r for r in records if r.label == "fake" or not _FAKE_TYPES.isdisjoint(r.path.resolve().parts)]
    if fakes:
        raise UsageError(f"{fakes[0].name} is a fake ({len(fakes)} in all); avsync learns from real video only")


def split_by_speaker(
    records: Sequence[ClipRecord], validation: Sequence[str], share: float, seed: int
) -> tuple[list[ClipRecord], list[ClipRecord]]:
    """Clips to train on, and clips of other speakers to validate on.

    Args:
        records: all clips.
        validation: globs that name the speakers to validate on; if empty, speakers are drawn.
        share: drawn speakers have together at most this share of the clips.
        seed: of the draw.

    Raises:
        UsageError: a glob that names no speaker, or one side would be empty.
    """
    held_out = _named(records, validation, "data.validation") if validation else _drawn(records, share, seed)
    train = [record for record in records if record.speaker not in held_out]
    if not train or not held_out:
        raise UsageError("no speakers on one side of the split; name some, not all, in data.validation")
    return train, [record for record in records if record.speaker in held_out]


def _named(records: Sequence[ClipRecord], globs: Sequence[str], key: str) -> set[str]:
    speakers, found = {record.speaker for record in records}, set[str]()
    for glob in globs:
        matching = {speaker for speaker in speakers if fnmatchcase(speaker, glob)}
        if not matching:
            raise UsageError(f"{key}: '{glob}' names no speaker")
        found |= matching
    return found


def _drawn(records: Sequence[ClipRecord], share: float, seed: int) -> set[str]:
    clips = Counter(record.speaker for record in records)
    room, held_out = share * len(records), set[str]()
    for speaker in np.random.default_rng(seed).permutation(sorted(clips)).tolist():
        if clips[speaker] <= room:
            room -= clips[speaker]
            held_out.add(speaker)
    return held_out
