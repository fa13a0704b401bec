"""Real clips in one folder and fakes in another: for data without a table.

Which part of a fake is fake, and what made it, is not known. The first folder below `real` or `fake` is taken for the
person. A clip that lies in none has its own name as identity, so that `real/7.mp4` and `fake/7.mp4` are one person.
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import sounds
from avsync.datasets.video import labelled_clip, videos
from avsync.errors import UsageError

_LAYOUT = "real/[<person>/]<clip>.mp4 and fake/[<person>/]<clip>.mp4 (videos or sound)"
_REAL, _FAKE = "real", "fake"


def matches(root: Path) -> bool:
    """Return whether a folder holds `real` and `fake`."""
    return (root / _REAL).is_dir() and (root / _FAKE).is_dir()


def records(root: Path) -> list[ClipRecord]:
    """Return the clips of the folders `real` and `fake`.

    Raises:
        UsageError: one of them holds no clip.
    """
    return two_folders(root / _REAL, root / _FAKE)


def two_folders(real: Path, fake: Path) -> list[ClipRecord]:
    """Return the real clips, then the fakes, each sorted, wherever below the two folders they lie.

    Raises:
        UsageError: one of them is no folder or holds no clip, or one lies in the other.
    """
    if real.resolve().is_relative_to(fake.resolve()) or fake.resolve().is_relative_to(real.resolve()):
        raise UsageError(f"{real} and {fake}: one lies in the other; give two folders side by side")
    return [*_clips(real, _REAL), *_clips(fake, _FAKE)]


def _clips(folder: Path, label: str) -> list[ClipRecord]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = sorted([*videos(folder, "**/*"), *sounds(folder, "**/*")])
    if not found:
        raise UsageError(f"{folder}: no video and no sound file there")
    return [_record(folder, path, label) for path in found]


def _record(folder: Path, path: Path, label: str) -> ClipRecord:
    below = path.relative_to(folder)
    identity = below.parts[0] if len(below.parts) > 1 else path.stem
    return labelled_clip(path, f"{label}/{below.as_posix()}", real=label == _REAL, identity=identity)


DATASET = Dataset(
    name="folders",
    title="two folders",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    fake_folders=frozenset({_FAKE}),
    general=True,
    about=About(holds="clips of your own: --real DIR --fake DIR, or one folder that holds both"),
)
