"""In-the-Wild (Müller et al., Interspeech 2022, arXiv 2203.16263; Apache-2.0): real and fake speech of 58 known people.

The real clips are from public talks, the fakes from social networks: what made them is not known.
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import labelled_speech
from avsync.datasets.tables import header, inside, named_rows
from avsync.errors import UsageError

_COLUMNS = ("file", "speaker", "label")
_LABELS = {"bona-fide": True, "bonafide": True, "spoof": False}
_FOLDER = "release_in_the_wild"


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `release_in_the_wild`, holds a `meta.csv` of this data set."""
    return _find_tree(root) is not None


def records(root: Path) -> list[ClipRecord]:
    """Return the clips that `meta.csv` lists, in its order, also those whose file is missing.

    The identity is the person who speaks or seems to. The method of a fake is "unknown".

    Raises:
        UsageError: no such table, or a row with a mistake.
    """
    tree = _find_tree(root)
    if tree is None:
        raise UsageError(f"{root}: meta.csv with {','.join(_COLUMNS)} is neither there nor in {_FOLDER}")
    found = []
    for where, row in named_rows(tree / "meta.csv", _COLUMNS):
        real = _LABELS.get(row["label"].lower())
        if real is None:
            raise UsageError(f"{where}: unknown label {row['label']!r}; known: bona-fide, spoof")
        name = "/".join(inside(where, row["file"]))
        found.append(labelled_speech(tree / name, name, real=real, method="unknown", identity=row["speaker"]))
    if not found:
        raise UsageError(f"{tree / 'meta.csv'}: lists no clip")
    return found


def _find_tree(root: Path) -> Path | None:
    return next((folder for folder in (root, root / _FOLDER) if header(folder / "meta.csv")[:3] == _COLUMNS), None)


DATASET = Dataset(
    name="in_the_wild",
    title="In-the-Wild",
    layout="meta.csv (file,speaker,label) beside <file>.wav",
    matches=matches,
    list_clips=records,
    mixed=frozenset({_FOLDER, "meta.csv"}),
    about=About(
        holds="real and fake speech of 58 politicians and celebrities, from the internet",
        size="38 hours, 17 of them fake",
        licence="Apache-2.0",
        source="https://deepfake-total.com/in_the_wild",
    ),
)
