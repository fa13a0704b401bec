"""Containers, timestamps, rotation: the one place that knows media files."""

from avsync.media.audio import RATE, AudioReader, audio_blocks
from avsync.media.probe import MediaInfo, probe
from avsync.media.video import FPS, Frame, frames, prefetch
from avsync.media.write import write_clip

__all__ = ["FPS", "RATE", "AudioReader", "Frame", "MediaInfo", "audio_blocks", "frames", "prefetch", "probe", "write_clip"]
