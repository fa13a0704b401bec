"""Containers, timestamps and rotation: the only package that reads media files."""

from avsync.media.audio import RATE, AudioReader, CondensedSound, Sound, audio_blocks
from avsync.media.facts import StreamFacts
from avsync.media.probe import MediaInfo
from avsync.media.shown import ShownPictures
from avsync.media.video import FPS, Frame, frames, prefetch
from avsync.media.write import write_clip

__all__ = [
    "FPS",
    "RATE",
    "AudioReader",
    "CondensedSound",
    "Frame",
    "MediaInfo",
    "ShownPictures",
    "Sound",
    "StreamFacts",
    "audio_blocks",
    "frames",
    "prefetch",
    "write_clip",
]
