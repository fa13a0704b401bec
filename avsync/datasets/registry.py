"""The data sets that avsync can open. To add one, add a file to this folder and its `DATASET` to the list here."""

from heapq import nsmallest
from pathlib import Path

from avsync.datasets import (
    asvspoof2019,
    asvspoof2021,
    av_deepfake1m,
    avlips,
    deepfake_eval_2024,
    dfdc,
    fake_or_real,
    fakeavceleb,
    folders,
    in_the_wild,
    kodf,
    lav_df,
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
        av_deepfake1m.DATASET,
        lav_df.DATASET,
        avlips.DATASET,
        kodf.DATASET,
        dfdc.DATASET,
        deepfake_eval_2024.VIDEO,
        deepfake_eval_2024.AUDIO,
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
        folders.DATASET,
    )
}
# An error message lists at most this many names of a folder.
_NAMES_SHOWN = 3


def open_dataset(root: Path, name: str | None = None, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips of the data set in a folder, also those whose file is missing.

    Args:
        root: the data set's folder.
        name: which of `DATASETS` it is; None detects it from the layout.
        split: only the clips of a part: the path of a split table, or the name of the part.

    Raises:
        UsageError: the name is unknown, the folder has another layout, or (without a name) the layout of no or of
            several data sets; a table has a mistake; or a split is given to a data set that has none.
    """
    try:
        dataset = _detect(root) if name is None else _named(root, name)
        if _is_real_by_layout(dataset) and (mark := mark_of_fakes(root)):
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
    matching = [dataset for dataset in DATASETS.values() if dataset.matches(root)]
    # A particular layout says more than a general one, and that one more than a layout by which all clips are real.
    rank = {dataset.name: (not dataset.general, not _is_real_by_layout(dataset)) for dataset in matching}
    matching = [dataset for dataset in matching if rank[dataset.name] == max(rank.values())]
    if not matching:
        raise UsageError(f"{root}: no known data set there; expected {_expected(root)}; found {_contents(root)}")
    if len(matching) > 1:
        titles = " and ".join(dataset.title for dataset in matching)
        names = " or ".join(dataset.name for dataset in matching)
        raise UsageError(f"{root}: laid out like {titles}; name the data set: {names}")
    return matching[0]


def _is_real_by_layout(dataset: Dataset) -> bool:
    """Whether a layout that others match as well takes all clips for real."""
    return dataset.general and not dataset.fake_folders


def _expected(root: Path) -> str:
    """Return the layouts of the data sets of which a folder holds a part, or else where layouts are listed."""
    there = {path.name.lower() for path in root.iterdir()}
    parts = [
        f"{dataset.layout} ({dataset.title})"
        for dataset in DATASETS.values()
        if there & {name.lower() for name in dataset.fake_folders | dataset.mixed}
    ]
    return " or ".join(parts) or "a layout that `avsync datasets` lists"


def _contents(root: Path) -> str:
    """Return the first names in a folder, quoted. Raises OSError if there is no such folder."""
    names = nsmallest(_NAMES_SHOWN + 1, (path.name for path in root.iterdir()))
    if not names:
        return "an empty folder"
    return ", ".join([*map(repr, names[:_NAMES_SHOWN]), *(["…"] if names[_NAMES_SHOWN:] else [])])
