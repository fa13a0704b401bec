"""Video files as clips: what the data sets of videos share."""

from pathlib import Path

from avsync.datasets.record import FAKE_TYPE, REAL_TYPE, ClipRecord
from avsync.datasets.sound import is_sound, labelled_speech

# In lower case, the file names of videos end so.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"}
)


def is_video(path: Path) -> bool:
    """Return whether a name is that of a video file that is not hidden. Nothing is opened."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def videos(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the video files below a folder that match a glob, sorted; none in hidden folders."""
    found = filter(is_video, folder.glob(pattern))
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def labelled_clip(path: Path, name: str, *, real: bool, identity: str, method: str = "") -> ClipRecord:
    """Return a clip of which no more is known than its label: a video, or speech if its file is a sound file.

    The arguments are those of `ClipRecord`. A fake whose method is empty has the method "unknown".
    """
    if is_sound(path):
        return labelled_speech(path, name, real=real, identity=identity, method=method)
    return ClipRecord(
        path=path,
        name=name,
        label="real" if real else "fake",
        type=REAL_TYPE if real else FAKE_TYPE,
        method="real" if real else method or "unknown",
        identity=identity,
        speaker=identity,
    )
