"""Which clips train, which speakers are kept for validation, and which clips calibrate. All of them are real."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.datasets.registry import DATASETS, mark_of_fakes, open_dataset
from avsync.datasets.roles import with_role
from avsync.errors import UsageError

_REAL_ONLY = "avsync learns from real recordings only"


def training_records(root: Path, exclude: Sequence[str] = (), dataset: str | None = None) -> list[ClipRecord]:
    """Return the clips of a tree of real recordings, without the speakers that `exclude` names.

    A tree with fakes is refused as a whole, even if `exclude` would leave the fakes out. So is one in which, in whose
    folders or beside which lies a name that a data set of real clips and fakes is known by, such as a table of labels.

    Args:
        root: the data set's folder.
        exclude: globs of speakers.
        dataset: the data set's name in `DATASETS`; None detects it.

    Raises:
        UsageError: no such data set, a fake in it, a glob that matches no speaker, or no clip is left.
    """
    if mark := mark_of_fakes(root):
        raise UsageError(f"{root}: a tree with fakes ({mark}); {_REAL_ONLY}")
    records = open_dataset(root, dataset)
    refuse_fakes(records)
    mixed = {name.lower() for known in DATASETS.values() for name in known.mixed}
    if inside := next((record for record in records if _is_below(record, mixed)), None):
        raise UsageError(f"{inside.path}: lies in a data set with fakes; {_REAL_ONLY}")
    return without_speakers(records, exclude)


def without_speakers(records: Sequence[ClipRecord], exclude: Sequence[str]) -> list[ClipRecord]:
    """Return the clips of the other speakers.

    Args:
        records: all clips.
        exclude: globs of speakers.

    Raises:
        UsageError: a glob that matches no speaker, or no clip is left.
    """
    excluded = _matching(records, exclude, "data.exclude")
    kept = [record for record in records if record.speaker not in excluded]
    if not kept:
        raise UsageError("data.exclude: no clip is left to train on")
    return kept


def calibration_records(root: Path, dataset: str | None = None) -> list[ClipRecord]:
    """Return the real clips of the people who calibrate, see `avsync.datasets.roles`. The tree may hold fakes, too.

    Args:
        root: the data set's folder.
        dataset: the data set's name in `DATASETS`; None detects it.

    Raises:
        UsageError: no such data set, or a clip labelled real that lies in a folder of fakes.
    """
    real = [record for record in open_dataset(root, dataset) if record.label == "real"]
    refuse_fakes(real)
    return with_role(real, "calibrate")


def refuse_fakes(records: Sequence[ClipRecord]) -> None:
    """Do nothing if every clip is real: labelled real, and not in a folder of fakes, even behind a symbolic link.

    Raises:
        UsageError: names the first fake.
    """
    folders = _fake_folders()
    fakes = [record for record in records if record.label == "fake" or _is_below(record, folders)]
    if fakes:
        raise UsageError(f"{fakes[0].name} is a fake ({len(fakes)} in all); {_REAL_ONLY}")


def split_by_speaker(
    records: Sequence[ClipRecord], validation: Sequence[str], share: float, seed: int
) -> tuple[list[ClipRecord], list[ClipRecord]]:
    """Return clips to train on, and clips of other speakers to validate on.

    Args:
        records: all clips.
        validation: globs of the speakers to validate on; if empty, speakers are drawn at random.
        share: speakers drawn at random have together at most this share of the clips.
        seed: of the random draw.

    Raises:
        UsageError: a glob that matches no speaker, or one side would be empty.
    """
    held_out = _matching(records, validation, "data.validation") if validation else _drawn(records, share, seed)
    train = [record for record in records if record.speaker not in held_out]
    if not train or not held_out:
        raise UsageError("no speakers on one side of the split; name some, not all, in data.validation")
    return train, [record for record in records if record.speaker in held_out]


def _fake_folders() -> set[str]:
    return {folder.lower() for dataset in DATASETS.values() for folder in dataset.fake_folders}


def _is_below(record: ClipRecord, folders: set[str]) -> bool:
    """Return whether the clip's video or sound lies below one of the folders, before or after links are resolved."""
    files = [record.path] if record.audio is None else [record.path, record.audio]
    return any(part.lower() in folders for file in files for part in (*file.parts, *file.resolve().parts))


def _matching(records: Sequence[ClipRecord], globs: Sequence[str], key: str) -> set[str]:
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
