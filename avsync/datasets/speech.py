"""Real speech in a folder for each speaker, as most corpora of speech can be had, or a corpus of your own."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import is_sound, real_speech, sounds, subfolders
from avsync.errors import UsageError

_LAYOUT = "<speaker>/<utterance>.wav or <speaker>/<chapter or video>/<utterance>.wav (also FLAC, MP3, M4A, Ogg, Opus)"
# At most so many names of a folder are looked at before it is said to hold no speech.
_LOOKED_AT = 1000


def matches(root: Path) -> bool:
    """Return whether a folder holds sound in its subfolders or in theirs; looks at 1000 names at most."""
    return any(map(is_sound, islice(_names(root), _LOOKED_AT)))


def records(root: Path) -> list[ClipRecord]:
    """Return the utterances in the speakers' folders and in those below them, sorted; all real.

    Raises:
        UsageError: there is no utterance.
    """
    clips = sorted([*sounds(root, "*/*"), *sounds(root, "*/*/*")])
    if not clips:
        raise UsageError(f"{root}: no utterance {_LAYOUT}")
    return list(real_speech(root, clips, speaker_at=0))


def _names(root: Path) -> Iterator[Path]:
    """The files of the speakers' folders first, then of the folders in them."""
    for speaker in subfolders(root):
        yield from speaker.glob("*")
        yield from speaker.glob("*/*")


DATASET = Dataset(
    name="speech",
    title="speech by speaker",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    general=True,
    about=About(
        holds="real speech of your own, or of a corpus that is not in this list",
    ),
)
