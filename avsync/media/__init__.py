"""Containers, timestamps and rotation: the only package that reads media files."""

from avsync.media.audio import RATE, AudioReader, Sound, audio_blocks
from avsync.media.probe import MediaInfo
from avsync.media.video import FPS, Frame, frames, prefetch
from avsync.media.write import write_clip

__all__ = [
    "FPS",
    "RATE",
    "AudioReader",
    "Frame",
    "MediaInfo",
    "Sound",
    "audio_blocks",
    "frames",
    "prefetch",
    "write_clip",
]
