"""The sound of VoxCeleb1 (Nagrani et al., Interspeech 2017) and VoxCeleb2 (Chung et al., Interspeech 2018).

VoxCeleb1 comes as `wav`, VoxCeleb2 as `dev/aac` (M4A) and `test/aac`. VoxCeleb2 with its pictures is the data set
`voxceleb2`.
"""

from pathlib import Path

from avsync.datasets import voxceleb2
from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import first_folder, real_speech, sounds
from avsync.errors import UsageError

_LAYOUT = "dev/aac/<speaker>/<video>/<utterance>.m4a or wav/<speaker>/<video>/<utterance>.wav"
_FOLDERS = ("dev/aac", "dev/wav", "aac", "wav")


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `dev`, holds `aac` or `wav`, and no pictures of VoxCeleb2."""
    return _utterances(root) is not None and not voxceleb2.matches(root)


def records(root: Path) -> list[ClipRecord]:
    """Return the utterances, sorted; all real.

    Raises:
        UsageError: there is no utterance.
    """
    folder = _utterances(root)
    clips = [] if folder is None else sounds(folder, "*/*/*")
    if folder is None or not clips:
        raise UsageError(f"{root}: no utterance {_LAYOUT}; give the folder above 'dev' or 'wav'")
    return list(real_speech(folder, clips, speaker_at=0))


def _utterances(root: Path) -> Path | None:
    return first_folder(root / name for name in _FOLDERS)


DATASET = Dataset(
    name="voxceleb_audio",
    title="VoxCeleb (sound)",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    about=About(
        holds="real speech of celebrities, from YouTube",
        size="1.3 million clips of 7,363 people",
        licence="metadata CC BY 4.0; the sound belongs to its makers",
        source="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/",
    ),
)
