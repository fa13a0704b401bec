"""Two clips of the same talking picture: one with its own voice, one dubbed."""

from pathlib import Path

from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.errors import UsageError
from avsync.media import write_clip


def make_clips(folder: Path, *, seconds: float = 8.0, seed: int = 0) -> tuple[Path, Path]:
    """Write `in_sync.mp4` and `dubbed.mp4` (384×384, 25 fps, 16 kHz) into `folder`, and return their paths.

    The dubbed clip shows the same pictures to another utterance of the same voice, length and loudness. A
    missing `folder` is made.

    Raises:
        UsageError: `seconds` is under 1.
    """
    if seconds < 1.0:
        raise UsageError(f"a demo clip of {seconds:g} s is too short to say anything: ask for 1 s or more")
    folder.mkdir(parents=True, exist_ok=True)
    in_sync, dubbed = folder / "in_sync.mp4", folder / "dubbed.mp4"
    seen, heard = speak(seconds, seed), speak(seconds, seed, take=1)
    pictures = list(talk(seen.opening, seen.width, seed))
    write_clip(in_sync, pictures, seen.waveform)
    write_clip(dubbed, pictures, heard.waveform)
    return in_sync, dubbed
