"""VCTK (Yamagishi et al., University of Edinburgh, 2019; CC BY 4.0): 110 speakers of English, two microphones."""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import first_folder, real_speech, sounds
from avsync.errors import UsageError

_LAYOUT = "wav48_silence_trimmed/<speaker>/<utterance>_mic1.flac"
# Release 0.92 has the first name, 0.80 the second, with WAV files of one microphone.
_FOLDERS = ("wav48_silence_trimmed", "wav48")
# The second microphone hears the same utterance again.
_SECOND = "_mic2"


def matches(root: Path) -> bool:
    """Return whether a folder holds `wav48_silence_trimmed` or `wav48`."""
    return _wavs(root) is not None


def records(root: Path) -> list[ClipRecord]:
    """Return the utterances as the first microphone heard them, sorted; all real.

    Raises:
        UsageError: there is no such utterance.
    """
    wavs = _wavs(root)
    clips = [] if wavs is None else [path for path in sounds(wavs, "*/*") if not path.stem.endswith(_SECOND)]
    if wavs is None or not clips:
        raise UsageError(f"{root}: no utterance {_LAYOUT}; give the folder above 'wav48_silence_trimmed' or 'wav48'")
    return list(real_speech(wavs, clips, speaker_at=0))


def _wavs(root: Path) -> Path | None:
    return first_folder(root / name for name in _FOLDERS)


DATASET = Dataset(
    name="vctk",
    title="VCTK",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    about=About(
        holds="real read English speech in many accents",
        size="44 hours of 110 people",
        licence="CC BY 4.0",
        source="https://datashare.ed.ac.uk/handle/10283/3443",
    ),
)
