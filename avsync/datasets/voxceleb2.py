"""VoxCeleb2 (Chung et al., Interspeech 2018), and any real data laid out like it."""

from pathlib import Path

from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import UsageError


def is_tree(root: Path) -> bool:
    """Whether a folder is laid out like VoxCeleb2."""
    return (root / "dev").is_dir() or (root / "mp4").is_dir()


def records(root: Path) -> list[ClipRecord]:
    """The clips `dev/mp4/<speaker>/<video>/<utterance>.mp4` below `root`, sorted; all real.

    `root` may also be `dev` itself. Sound may lie beside the pictures, as
    `dev/aac/<speaker>/<video>/<utterance>.m4a`.

    Raises:
        UsageError: when there is no such clip.
    """
    dev = root / "dev" if (root / "dev" / "mp4").is_dir() else root
    clips = sorted(path for path in (dev / "mp4").glob("*/*/*.mp4") if not path.name.startswith("."))
    if not clips:
        raise UsageError(f"{root}: no dev/mp4/<speaker>/<video>/<utterance>.mp4; give the folder above 'dev'")
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
