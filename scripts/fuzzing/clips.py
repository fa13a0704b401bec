"""The clips that are mutated: the demo's talking face in every container that PyAV can write."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.media import FPS, RATE

SECONDS = 2.0
SIDE = 192  # pixels; the face is half as wide


@dataclass(frozen=True)
class Kind:
    """How a clip is written.

    Attributes:
        format: of the container, in FFmpeg's words.
        video, audio: codecs; None: no such stream.
        side: of the pictures, in pixels.
        rate: samples per second.
        layout: of the channels.
        fps: pictures per second.
        pixels: format of the pixels.
        options: of the container.
        codec_options: of the video codec.
    """

    format: str
    video: str | None
    audio: str | None
    side: int = 128
    rate: int = RATE
    layout: str = "mono"
    fps: Fraction = Fraction(FPS)
    pixels: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    codec_options: tuple[tuple[str, str], ...] = ()


_FRAGMENTS = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)
KINDS = {
    "mp4": Kind("mp4", "libx264", "aac", 192),
    "fragmented.mp4": Kind("mp4", "libx264", "aac", options=_FRAGMENTS, codec_options=(("g", "10"),)),
    "mov": Kind("mov", "mpeg4", "pcm_s16le"),
    "mkv": Kind("matroska", "libx264", "flac", 160),
    "webm": Kind("webm", "libvpx", "libopus", 96, rate=48_000, codec_options=(("cpu-used", "8"),)),
    "avi": Kind("avi", "mpeg4", "libmp3lame"),
    "flv": Kind("flv", "flv", "libmp3lame", rate=22_050),
    "ts": Kind("mpegts", "libx264", "aac", 160, codec_options=(("g", "10"),)),
    "3gp": Kind("3gp", "mpeg4", "aac", 96),
    "asf": Kind("asf", "wmv2", "wmav2", rate=44_100),
    "nut": Kind("nut", "mjpeg", "pcm_s16le", pixels="yuvj420p"),
    "mxf": Kind("mxf", "mpeg2video", "pcm_s16le", rate=48_000),
    "mpg": Kind("mpeg", "mpeg2video", "mp2", rate=32_000),
    "ogg": Kind("ogg", None, "libopus", rate=48_000),
    "wav": Kind("wav", None, "pcm_s16le"),
    "mp3": Kind("mp3", None, "libmp3lame"),
    "flac": Kind("flac", None, "flac"),
    "m4a": Kind("ipod", None, "aac"),
    "aac": Kind("adts", None, "aac"),
    "ac3": Kind("ac3", None, "ac3", rate=32_000),
    "aiff": Kind("aiff", None, "pcm_s16be"),
    "au": Kind("au", None, "pcm_s16be"),
    "caf": Kind("caf", None, "pcm_s16le"),
    "w64": Kind("w64", None, "pcm_s16le"),
    "h264": Kind("h264", "libx264", None),
    "ivf": Kind("ivf", "libvpx", None, codec_options=(("cpu-used", "8"),)),
    "mjpeg": Kind("mjpeg", "mjpeg", None, pixels="yuvj420p"),
}
_QUICK = {"libx264": {"preset": "ultrafast", "crf": "20"}, "libx265": {"preset": "ultrafast"}}


@cache
def face() -> NDArray[np.uint8]:
    """Grey pictures of a talking face: uint8 [50, 192, 192]."""
    said = speak(SECONDS, seed=0)
    return np.array([resized(picture[..., 1], SIDE) for picture in talk(said.opening, said.width, seed=0)])


@cache
def voice() -> NDArray[np.float32]:
    """What the face says: float32 [32000]."""
    return speak(SECONDS, seed=0).waveform


def resized(picture: NDArray[np.uint8], width: int, height: int | None = None) -> NDArray[np.uint8]:
    """A picture in another size."""
    return np.asarray(Image.fromarray(picture).resize((width, height or width)))


def write_base(folder: Path) -> dict[str, Path]:
    """Write a clip of every kind that is not there yet, and return their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"base.{name}" for name in KINDS}
    for name, path in paths.items():
        if not path.exists():
            kind = KINDS[name]
            unfinished = path.with_name(f"unfinished.{name}")
            write(unfinished, kind, [resized(picture, kind.side) for picture in face()], voice())
            unfinished.replace(path)
    return paths


def write(path: Path, kind: Kind, pictures: list[NDArray[np.uint8]], sound: NDArray[np.float32]) -> None:
    """Write grey pictures [H, W] and mono 16 kHz sound.

    Raises:
        av.FFmpegError, ValueError: a codec or container that refuses this kind.
    """
    options = {"fflags": "+bitexact", **dict(kind.options)}
    with av.open(f"file:{path}", "w", format=kind.format, options=options) as file:
        video = _video(file, kind, pictures[0]) if kind.video else None
        audio = file.add_stream(kind.audio, rate=kind.rate, layout=kind.layout) if kind.audio else None
        packets: list[Any] = []
        if video is not None:
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
                packets += video.encode(frame.reformat(format=kind.pixels))
            packets += video.encode(None)
        if isinstance(audio, AudioStream):
            audio.bit_rate = 64_000
            packets += _sound(audio, kind, sound)
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * p.time_base):
            file.mux(packet)


def _video(file: OutputContainer, kind: Kind, picture: NDArray[np.uint8]) -> VideoStream:
    options = {"threads": "1", **_QUICK.get(kind.video or "", {}), **dict(kind.codec_options)}
    stream = file.add_stream(kind.video or "", rate=kind.fps, options=options)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width, stream.pix_fmt = *picture.shape, kind.pixels
    stream.bit_rate = 400_000
    return stream


def _sound(stream: AudioStream, kind: Kind, sound: NDArray[np.float32]) -> list[Any]:
    channels = stream.codec_context.layout.nb_channels
    wanted = np.arange(round(len(sound) * kind.rate / RATE)) * RATE / kind.rate
    samples = np.repeat(np.interp(wanted, np.arange(len(sound)), sound)[None], channels, axis=0).astype(np.float32)
    packets: list[Any] = []
    for done in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, done : done + 1024])
        block = av.AudioFrame.from_ndarray(piece, format="fltp", layout=kind.layout)
        block.sample_rate, block.time_base, block.pts = kind.rate, Fraction(1, kind.rate), done
        packets += stream.encode(block)
    return packets + list(stream.encode(None))
