"""DFDC, the Deepfake Detection Challenge (Dolhansky et al., 2020, arXiv 2006.07397).

Each part folder of the training set has a `metadata.json`, an object {file: {label, split, original}}; `validation` and
`test` have a `labels.csv` (filename,label with 1 for fake). Faces were swapped in most fakes and the sound in some: the
metadata does not say which.
"""

from collections.abc import Iterator
from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import FAKE_TYPE, REAL_TYPE, ClipRecord
from avsync.datasets.tables import header, inside, json_file, named_rows, part_of
from avsync.errors import UsageError

_LAYOUT = "test/labels.csv beside <clip>.mp4 (or validation), or dfdc_train_part_0/metadata.json beside <clip>.mp4"
_PARTS = ("test", "validation", "train")  # what is evaluated comes first
_TRAIN, _SAMPLE = "dfdc_train_part_", "train_sample_videos"
_TRAIN_PARTS = 50
_METADATA, _LABELS = "metadata.json", "labels.csv"
_COLUMNS = ("filename", "label")
_HEAD = 4096  # bytes; the first entry is shorter


def matches(root: Path) -> bool:
    """Return whether a folder holds parts of this data set, or is one."""
    return bool(_tables(root))


def records(root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips of the first of `test`, `validation` and `train` that is there, in the order of its tables.

    The identity of a fake of the training set is the real clip that it was made from; elsewhere a clip stands for
    itself, because the tables name neither people nor originals.

    Args:
        root: the folder that holds the parts, or one part.
        split: the part.

    Raises:
        UsageError: no part, or not the one that `split` names, or a table with a mistake.
    """
    tables = _tables(root)
    if not tables:
        raise UsageError(f"{root}: no {_METADATA} or {_LABELS} of DFDC there; expected {_LAYOUT}")
    there = [part for part in _PARTS if part in tables.values()]
    part = part_of(split, _PARTS, there[0])
    if part not in there:
        raise UsageError(f"{root}: {part} is not there, only {', '.join(there)}; expected {_LAYOUT}")
    read = _read_metadata if part == "train" else _read_labels
    found = [record for table, of in tables.items() if of == part for record in read(root, table, part)]
    if not found:
        raise UsageError(f"{root}: the tables of {part} list no clip")
    return found


def _tables(root: Path) -> dict[Path, str]:
    """The part of each table that is there."""
    parts = [root, root / "train", *sorted(root.glob(f"{_TRAIN}*")), *sorted(root.glob(f"train/{_TRAIN}*"))]
    metadata = [folder / _METADATA for folder in (*parts, root / _SAMPLE)]
    found = {table: "train" for table in metadata if table.is_file() and _is_ours(table)}
    for part in ("test", "validation"):
        found |= {table: part for table in (root / part / _LABELS,) if header(table)[:2] == _COLUMNS}
    if header(root / _LABELS)[:2] == _COLUMNS:
        found[root / _LABELS] = "validation" if root.name == "validation" else "test"
    return found


def _is_ours(table: Path) -> bool:
    """LAV-DF has a `metadata.json`, too: a list."""
    with table.open("rb") as file:
        head = file.read(_HEAD)
    return head.lstrip().startswith(b"{") and b'"label"' in head


def _read_metadata(root: Path, table: Path, part: str) -> Iterator[ClipRecord]:
    found = json_file(table)
    if not isinstance(found, dict):
        raise UsageError(f"{table}: holds no object of clips")
    for file, row in found.items():
        where = f"{table} entry {file!r}"
        label = row.get("label") if isinstance(row, dict) else None
        if label not in ("REAL", "FAKE"):
            raise UsageError(f"{where}: unknown label {label!r}; known: REAL, FAKE")
        yield _record(root, table, where, file, part, real=label == "REAL", original=str(row.get("original") or ""))


def _read_labels(root: Path, table: Path, part: str) -> Iterator[ClipRecord]:
    for where, row in named_rows(table, _COLUMNS):
        if row["label"] not in ("0", "1"):
            raise UsageError(f"{where}: unknown label {row['label']!r}; known: 0 (real), 1 (fake)")
        yield _record(root, table, where, row["filename"], part, real=row["label"] == "0")


def _record(root: Path, table: Path, where: str, file: str, part: str, *, real: bool, original: str = "") -> ClipRecord:
    name = "/".join(inside(where, file))
    path = table.parent / name
    if not path.exists() and (table.parent / "videos").is_dir():
        path = table.parent / "videos" / name
    identity = original or name
    return ClipRecord(
        path=path,
        name=path.relative_to(root).as_posix(),
        label="real" if real else "fake",
        type=REAL_TYPE if real else FAKE_TYPE,
        method="real" if real else "unknown",
        identity=identity,
        speaker=identity,
        split=part,
    )


DATASET = Dataset(
    name="dfdc",
    title="DFDC",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    list_split=records,
    mixed=frozenset({"DFDC", _SAMPLE, *(f"{_TRAIN}{number}" for number in range(_TRAIN_PARTS))}),
    about=About(
        holds="videos of 960 people, and fakes of them by eight methods, some with generated sound",
        size="23,654 real and 104,500 fake clips",
        licence="the rules of the challenge, to be agreed to",
        source="https://www.kaggle.com/c/deepfake-detection-challenge",
    ),
)
