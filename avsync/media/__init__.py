"""Containers, timestamps, rotation: the one place that knows media files."""

from avsync.media.ahead import ahead
from avsync.media.audio import RATE, AudioReader, audio_blocks
from avsync.media.probe import MediaInfo, probe
from avsync.media.video import FPS, Frame, frames
from avsync.media.write import write_clip

__all__ = ["FPS", "RATE", "AudioReader", "Frame", "MediaInfo", "ahead", "audio_blocks", "frames", "probe", "write_clip"]
