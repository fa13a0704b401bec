"""The data sets that avsync can open. To add one, add a file to this folder and its `DATASET` to the list here."""

from heapq import nsmallest
from pathlib import Path

from avsync.datasets import (
    asvspoof2019,
    asvspoof2021,
    fake_or_real,
    fakeavceleb,
    in_the_wild,
    librispeech,
    manifest,
    speech,
    timit_tts,
    vctk,
    voxceleb2,
    voxceleb_audio,
    wavefake,
)
from avsync.datasets.dataset import Dataset
from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        fakeavceleb.DATASET,
        voxceleb2.DATASET,
        librispeech.DATASET,
        vctk.DATASET,
        voxceleb_audio.DATASET,
        speech.DATASET,
        asvspoof2019.DATASET,
        asvspoof2021.LA,
        asvspoof2021.DF,
        in_the_wild.DATASET,
        wavefake.DATASET,
        fake_or_real.DATASET,
        timit_tts.DATASET,
        manifest.DATASET,
    )
}
# An error message lists at most this many names of a folder.
_NAMES_SHOWN = 3


def open_dataset(root: Path, name: str | None = None, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips of the data set in a folder, also those whose file is missing.

    Args:
        root: the data set's folder.
        name: which of `DATASETS` it is; None detects it from the layout.
        split: a split table of the data set: only the clips it lists.

    Raises:
        UsageError: the name is unknown, the folder has another layout, or (without a name) the layout of no or of
            several data sets; a table has a mistake; or a split table is given to a data set that has none.
    """
    try:
        dataset = _detect(root) if name is None else _named(root, name)
        if dataset.general and (mark := mark_of_fakes(root)):
            raise UsageError(f"{root}: {mark} tells of fakes among what looks like {dataset.title}; give one data set")
        return dataset.records(root, split)
    except OSError as error:
        raise UsageError(f"{root}: cannot be read ({error.strerror})") from error


def mark_of_fakes(root: Path) -> str | None:
    """Return a name by which one knows that a tree holds fakes (`fake_folders` and `mixed` of any data set), or None.

    Looked at are the names in the folder and in its subfolders, in any letter case, and tables beside the folder.
    """
    marks = {name.lower() for dataset in DATASETS.values() for name in dataset.fake_folders | dataset.mixed}
    beside = (root.absolute().parent / mark for mark in sorted(marks) if "." in mark)
    found = (path for path in (*root.glob("*"), *root.glob("*/*")) if path.name.lower() in marks)
    return next((path.name for path in (*found, *filter(Path.is_file, beside))), None)


def _named(root: Path, name: str) -> Dataset:
    if name not in DATASETS:
        raise UsageError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    if not dataset.matches(root):
        raise UsageError(f"{root}: no {dataset.title} tree there; expected {dataset.layout}; found {_contents(root)}")
    return dataset


def _detect(root: Path) -> Dataset:
    matching = [dataset for dataset in DATASETS.values() if not dataset.general and dataset.matches(root)]
    matching = matching or [dataset for dataset in DATASETS.values() if dataset.general and dataset.matches(root)]
    if not matching:
        layouts = " or ".join(f"{dataset.layout} ({dataset.title})" for dataset in DATASETS.values())
        raise UsageError(f"{root}: no known data set there; expected {layouts}; found {_contents(root)}")
    if len(matching) > 1:
        titles = " and ".join(dataset.title for dataset in matching)
        names = " or ".join(dataset.name for dataset in matching)
        raise UsageError(f"{root}: laid out like {titles}; name the data set: {names}")
    return matching[0]


def _contents(root: Path) -> str:
    """Return the first names in a folder, quoted. Raises OSError if there is no such folder."""
    names = nsmallest(_NAMES_SHOWN + 1, (path.name for path in root.iterdir()))
    if not names:
        return "an empty folder"
    return ", ".join([*map(repr, names[:_NAMES_SHOWN]), *(["…"] if names[_NAMES_SHOWN:] else [])])
