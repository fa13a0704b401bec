"""LibriSpeech (Panayotov et al., ICASSP 2015; CC BY 4.0) and LibriTTS (Zen et al., Interspeech 2019): read speech."""

from pathlib import Path
from re import fullmatch

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import real_speech, sounds, subfolders
from avsync.errors import UsageError

_LAYOUT = "train-clean-100/<speaker>/<chapter>/<utterance>.flac"
_PART = r"(train|dev|test)-(clean|other)(-\d+)?"


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `LibriSpeech`, holds a part such as `train-clean-100`."""
    return bool(_parts(root))


def records(root: Path) -> list[ClipRecord]:
    """Return the utterances of all parts that are there, sorted; all real. `split` is the part.

    Raises:
        UsageError: there is no utterance.
    """
    found = []
    for part in _parts(root):
        found += [*real_speech(part.parent, sounds(part, "*/*/*"), speaker_at=1)]
    if not found:
        raise UsageError(f"{root}: no utterance {_LAYOUT}; give the folder above 'train-clean-100'")
    return found


def _parts(root: Path) -> list[Path]:
    for folder in (root, root / "LibriSpeech"):
        if parts := [part for part in subfolders(folder) if fullmatch(_PART, part.name)]:
            return parts
    return []


DATASET = Dataset(
    name="librispeech",
    title="LibriSpeech",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    about=About(
        holds="real read English speech, from audio books",
        size="1,000 hours of 2,484 people",
        licence="CC BY 4.0",
        source="https://www.openslr.org/12",
    ),
)
