"""Containers, timestamps and rotation: the only package that reads media files."""

from avsync.media.audio import RATE, AudioReader, CondensedSound, Sound, audio_blocks
from avsync.media.facts import StreamFacts
from avsync.media.headers import AudioHeader, Headers, VideoHeader, read_headers
from avsync.media.probe import MediaInfo
from avsync.media.shown import ShownPictures
from avsync.media.video import FPS, Frame, frames, prefetch
from avsync.media.write import REPEATABLE_X264, write_clip

__all__ = [
    "FPS",
    "RATE",
    "REPEATABLE_X264",
    "AudioHeader",
    "AudioReader",
    "CondensedSound",
    "Frame",
    "Headers",
    "MediaInfo",
    "ShownPictures",
    "Sound",
    "StreamFacts",
    "VideoHeader",
    "audio_blocks",
    "frames",
    "prefetch",
    "read_headers",
    "write_clip",
]
