"""AVLips (Liu et al., NeurIPS 2024, arXiv 2401.15668): fakes of MakeItTalk, Wav2Lip, TalkLip and SadTalker.

The files are numbered: they tell neither who speaks nor what made a fake. A clip's identity is its number, so that a
real clip and a fake of the same number stay together.
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.datasets.video import videos
from avsync.errors import UsageError

_LAYOUT = "0_real/<clip>.mp4 and 1_fake/<clip>.mp4, their sound in wav/0_real/<clip>.wav and wav/1_fake/<clip>.wav"
_CLASSES = ("0_real", "1_fake")


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `AVLips`, holds `0_real` and `1_fake`."""
    return _find_tree(root) is not None


def records(root: Path) -> list[ClipRecord]:
    """Return the real clips, then the fakes, each sorted.

    Raises:
        UsageError: no such folders, or no clip in one of them.
    """
    tree = _find_tree(root)
    if tree is None:
        raise UsageError(f"{root}: no folders 0_real and 1_fake there; expected {_LAYOUT}")
    found = []
    for name in _CLASSES:
        clips = videos(tree / name)
        if not clips:
            raise UsageError(f"{tree / name}: no clip there; expected {_LAYOUT}")
        found += [_record(tree, name, clip) for clip in clips]
    return found


def _find_tree(root: Path) -> Path | None:
    folders = (root, root / "AVLips")
    return next((folder for folder in folders if all((folder / name).is_dir() for name in _CLASSES)), None)


def _record(tree: Path, folder: str, clip: Path) -> ClipRecord:
    real = folder == _CLASSES[0]
    sound = tree / "wav" / folder / f"{clip.stem}.wav"
    return ClipRecord(
        path=clip,
        name=f"{folder}/{clip.name}",
        label="real" if real else "fake",
        type=REAL_TYPE if real else "FakeVideo-RealAudio",
        method="real" if real else "unknown",
        identity=clip.stem,
        speaker=clip.stem,
        audio=sound if sound.is_file() else None,
    )


DATASET = Dataset(
    name="avlips",
    title="AVLips",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    fake_folders=frozenset({_CLASSES[1]}),
    mixed=frozenset({"AVLips"}),
    about=About(
        holds="real talking faces and lip-sync fakes of them, by MakeItTalk, Wav2Lip, TalkLip and SadTalker",
        size="up to 340,000 samples, as the authors count them",
        source="https://github.com/AaronComo/LipFD (a link to Google Drive)",
    ),
)
