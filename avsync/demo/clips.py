"""Write two clips of the same talking photograph: one with matching speech, one with other speech."""

from pathlib import Path

from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.errors import UsageError
from avsync.media import write_clip


def make_clips(folder: Path, *, seconds: float = 8.0, seed: int = 0) -> tuple[Path, Path]:
    """Write `in_sync.mp4` and `dubbed.mp4` (384×384, 25 fps, 16 kHz) into `folder`, and return their paths.

    The dubbed clip has the same pictures with another utterance of the same voice, length and loudness. `folder` is
    created if it is missing.

    Args:
        folder: where to write.
        seconds: length of both clips.
        seed: chooses the voice, the utterances and the head motion.

    Raises:
        UsageError: `seconds` is less than 1.
    """
    if seconds < 1.0:
        raise UsageError(f"a demo clip of {seconds:g} s is too short for speech; choose 1 s or more")
    folder.mkdir(parents=True, exist_ok=True)
    in_sync, dubbed = folder / "in_sync.mp4", folder / "dubbed.mp4"
    own, other = speak(seconds, seed), speak(seconds, seed, take=1)
    pictures = list(talk(own.opening, own.width, seed))
    write_clip(in_sync, pictures, own.waveform)
    write_clip(dubbed, pictures, other.waveform)
    return in_sync, dubbed
