"""Fake-or-Real (Reimao & Tzerpos, SpeD 2019): text-to-speech of seven services and systems, and real speech.

Its files are numbered: they tell neither who speaks nor what generated them. So every clip stands for itself, and the
method of every fake is "unknown".
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import labelled_speech, sounds, subfolders
from avsync.errors import UsageError

_LAYOUT = "for-norm/testing/{real,fake}/<clip>.wav"
_PARTS = ("training", "validation", "testing")
# What is evaluated, if the folder of another part is not given: its voices and systems are not in the others.
_EVALUATED = "testing"
_CLASSES = ("real", "fake")


def matches(root: Path) -> bool:
    """Return whether a folder, its subfolders, or theirs, hold a part such as `testing` with `real` and `fake`."""
    return bool(_parts(root))


def records(root: Path) -> list[ClipRecord]:
    """Return the clips of `testing`, or of another part if its folder is given, sorted; `split` is the part.

    Raises:
        UsageError: no such part, or several versions of the data set (for-norm, for-2sec, …).
    """
    parts = _parts(root)
    if len(parts) != 1:
        found = ", ".join(str(part.relative_to(root)) for part in parts) or "none"
        raise UsageError(f"{root}: give the folder of one version; expected {_LAYOUT}; found {found}")
    (part,) = parts
    return [
        labelled_speech(
            path,
            f"{part.name}/{name}/{path.name}",
            real=name == "real",
            method="unknown",
            identity=path.stem,
            kind="tts",
            split=part.name,
        )
        for name in _CLASSES
        for path in sounds(part / name)
    ]


def _parts(root: Path) -> list[Path]:
    """The folder itself if it is a part, else the `testing` of every version; archives may have a folder in between."""
    if root.name in _PARTS and _is_part(root):
        return [root]
    versions = [folder for folder in subfolders(root) if folder.name.startswith("for-")]
    deeper = [folder for version in versions for folder in subfolders(version) if folder.name.startswith("for-")]
    return [part for folder in (root, *versions, *deeper) if _is_part(part := folder / _EVALUATED)]


def _is_part(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in _CLASSES)


DATASET = Dataset(
    name="fake_or_real",
    title="Fake-or-Real",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    fake_folders=frozenset({"fake"}),
    about=About(
        holds="text-to-speech of seven systems and services, and real speech",
        size="more than 195,000 clips",
        source="https://bil.eecs.yorku.ca/datasets/",
    ),
)
