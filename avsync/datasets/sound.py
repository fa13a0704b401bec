"""Sound files as clips: what the data sets of speech share."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from avsync.datasets.record import FAKE_SPEECH, REAL_SPEECH, ClipRecord

# In lower case, the file names of sound end so.
SOUND_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus"})


def is_sound(path: Path) -> bool:
    """Return whether a name is that of a sound file that is not hidden. Nothing is opened."""
    return path.suffix.lower() in SOUND_SUFFIXES and not path.name.startswith(".")


def sounds(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the sound files below a folder that match a glob, sorted; none in hidden folders."""
    found = filter(is_sound, folder.glob(pattern))
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, sorted; none if there is no such folder."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))


def first_folder(folders: Iterable[Path]) -> Path | None:
    """Return the first of the folders that exists."""
    return next((folder for folder in folders if folder.is_dir()), None)


def real_speech(root: Path, paths: Iterable[Path], speaker_at: int) -> Iterator[ClipRecord]:
    """Yield a clip of real speech for each file.

    Args:
        root: the data set's folder.
        paths: files below it.
        speaker_at: which folder of the path below `root` names the speaker; -2 is the one that holds the file.
    """
    for path in paths:
        below = path.relative_to(root)
        speaker = below.parts[speaker_at]
        yield ClipRecord(
            path=path,
            name=below.as_posix(),
            label="real",
            type=REAL_SPEECH,
            method="real",
            identity=speaker,
            speaker=speaker,
        )


def labelled_speech(
    path: Path,
    name: str,
    *,
    real: bool,
    identity: str,
    speaker: str = "",
    method: str = "",
    kind: str = "",
    page: str = "",
    pair: str = "",
    split: str = "",
) -> ClipRecord:
    """Return a clip of real or synthetic speech; the arguments are those of `ClipRecord`.

    A real clip has no kind. A fake whose method is empty has the method "unknown". Without a speaker, it is the
    identity.
    """
    return ClipRecord(
        path=path,
        name=name,
        label="real" if real else "fake",
        type=REAL_SPEECH if real else FAKE_SPEECH,
        method="real" if real else method or "unknown",
        identity=identity,
        speaker=speaker or identity,
        split=split,
        kind="" if real else kind,
        page=page,
        pair=pair,
    )
