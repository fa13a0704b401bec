"""Real and synthetic speech that a table of your own lists.

`meta.csv` (or any CSV file given in place of the folder) has a row for each clip. Its columns, in any order:

- `path`: below the folder of the table, or below its subfolder `clips`
- `label`: real or fake
- `system`: what generated a fake
- `kind`: tts, vc, vocoder, codec, or any word
- `group`: the speaker, or the set of utterances, that statistics cluster by and that decides the role; without it every
  clip stands for itself
- `page`: the collection; fakes are compared with real clips of their page
- `pair`: the same for a real clip and its copies
- `split`: the part of the data set

All but the first two may be missing; further columns are left alone.
"""

from pathlib import Path

from avsync.datasets.dataset import Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import labelled_speech
from avsync.datasets.tables import header, inside, named_rows
from avsync.errors import UsageError

_COLUMNS = ("path", "label")
_LABELS = {"real": True, "fake": False}
_CLIPS = "clips"


def matches(root: Path) -> bool:
    """Return whether a folder's `meta.csv`, or the CSV file itself, names the columns `path` and `label`."""
    return set(_COLUMNS) <= set(header(_table(root)))


def records(root: Path) -> list[ClipRecord]:
    """Return the clips of the table, in its order, also those whose file is missing.

    Raises:
        UsageError: no such table, or a row with a mistake.
    """
    table = _table(root)
    rows = [(where, row, inside(where, row["path"])) for where, row in named_rows(table, _COLUMNS)]
    if not rows:
        raise UsageError(f"{table}: lists no clip")
    folder = table.parent
    if not folder.joinpath(*rows[0][2]).exists() and (folder / _CLIPS).is_dir():
        folder = folder / _CLIPS
    return [_record(folder, where, row, "/".join(parts)) for where, row, parts in rows]


def _table(root: Path) -> Path:
    return root if root.suffix.lower() == ".csv" and root.is_file() else root / "meta.csv"


def _record(folder: Path, where: str, row: dict[str, str], name: str) -> ClipRecord:
    real = _LABELS.get(row["label"].lower())
    if real is None:
        raise UsageError(f"{where}: unknown label {row['label']!r}; known: {', '.join(_LABELS)}")
    group = row.get("group") or name
    more = {column: row.get(column, "") for column in ("kind", "page", "pair", "split")}
    return labelled_speech(folder / name, name, real=real, method=row.get("system", ""), identity=group, **more)


DATASET = Dataset(
    name="manifest",
    title="table of speech",
    layout="meta.csv (path,label[,system,kind,group,page,pair,split])",
    matches=matches,
    list_clips=records,
    mixed=frozenset({"meta.csv"}),
)
