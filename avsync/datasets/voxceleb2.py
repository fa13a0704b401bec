"""VoxCeleb2 (Chung et al., Interspeech 2018, arXiv 1806.05622), and any real recordings laid out like it."""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import UsageError

_LAYOUT = "dev/mp4/<speaker>/<video>/<utterance>.mp4"


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `dev`, holds a folder `mp4`."""
    return (root / "dev" / "mp4").is_dir() or (root / "mp4").is_dir()


def records(root: Path) -> list[ClipRecord]:
    """Return the clips `dev/mp4/<speaker>/<video>/<utterance>.mp4` below `root`, sorted; all real.

    `root` may also be `dev` itself. The sound may be in a file of its own,
    `dev/aac/<speaker>/<video>/<utterance>.m4a`.

    Raises:
        UsageError: there is no such clip.
    """
    dev = root / "dev" if (root / "dev" / "mp4").is_dir() else root
    clips = sorted(path for path in (dev / "mp4").glob("*/*/*.mp4") if not path.name.startswith("."))
    if not clips:
        raise UsageError(f"{root}: no clip {_LAYOUT}; give the folder above 'dev'")
    aac = dev / "aac"
    return [_record(clip, dev / "mp4", aac if aac.is_dir() else None) for clip in clips]


def _record(clip: Path, mp4: Path, aac: Path | None) -> ClipRecord:
    below = clip.relative_to(mp4)
    speaker = below.parts[0]
    audio = (aac / below).with_suffix(".m4a") if aac else None
    return ClipRecord(
        path=clip,
        name=below.as_posix(),
        label="real",
        type=REAL_TYPE,
        method="real",
        identity=speaker,
        speaker=speaker,
        audio=audio if audio is not None and audio.is_file() else None,
    )


DATASET = Dataset(
    name="voxceleb2",
    title="VoxCeleb2",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    about=About(
        holds="real talking faces of celebrities, from YouTube",
        size="1.1 million clips of 6,112 people",
        licence="metadata CC BY 4.0; the videos belong to their makers",
        source="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/",
    ),
)
