"""Write a clip again with other pictures, another sound, or both; what is not changed is copied without loss.

What is changed has to be encoded again. Pictures get x264 at crf 20 and the sound of a video AAC at 128 kbps, as a
careful editor would use; sound alone becomes FLAC. The rows "control" of the registry show what that does by itself.
Sound is mono at 16 kHz, as the checks hear it.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain as chain_of
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avsync.evaluate.manipulations.graphs import Chain, Samples, filtered_pictures
from avsync.evaluate.manipulations.interface import CannotManipulate, Source
from avsync.files import unfinished
from avsync.media import RATE, Sound
from avsync.media.packets import decoded, start_time
from avsync.media.probe import audio_stream, open_media, video_stream
from avsync.media.remux import copied_ending, copy_streams

Pixels = NDArray[np.uint8]  # [H, W, 3], RGB
Paint = Callable[[Pixels], Pixels]
# What happens to the samples: chance and the source are there for noise, rooms and other people's speech.
Effect = Callable[[Samples, Source, random.Random], Samples]

# The file of sound alone, by encoder.
_ENDINGS = {"libmp3lame": ".mp3", "aac": ".m4a", "libopus": ".ogg", "flac": ".flac"}
_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".mp3": "mp3", ".m4a": "ipod", ".ogg": "ogg", ".flac": "flac"}
_PICTURES_PER_SECOND = 25  # told to the encoder if the header has no rate
_CLOCK = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class Pictures:
    """How pictures are changed, and encoded again.

    Attributes:
        chain: filters of FFmpeg.
        painter: after the filters: makes a function of pictures, of their height and width.
        codec, options: the encoder.
        rate: pictures per second of the copy; None: those of the clip.
    """

    chain: Chain = ()
    painter: Callable[[int, int], Paint] | None = None
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "20"})
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """How sound is changed, and encoded again.

    Attributes:
        effect: what happens to the samples; None: nothing.
        codec, bit_rate: the encoder and its bits per second; None: the carrier.
    """

    effect: Effect | None = None
    codec: str | None = None
    bit_rate: int = 0


def rewrite(
    source: Source,
    target: Path,
    chance: random.Random,
    *,
    pictures: Pictures | None = None,
    heard: Heard | None = None,
    lasts: float = 1.0,
) -> Path:
    """Write a changed clip, which appears under its name when it is whole, and return its path.

    Args:
        source: the clip.
        target: the file, without ending.
        chance: for the effect.
        pictures, heard: the changes; None: copied as it is.
        lasts: how many times as long it lasts: times are multiplied by it. Then both must be changed, and `heard` makes
            so many more samples.

    Raises:
        CannotManipulate: what is to be changed is missing.
        CannotJudge, av.FFmpegError, ValueError: the clip cannot be read, or an encoder does not take it.
    """
    with open_media(source.path) as before:
        video = video_stream(before)
        sound = audio_stream(before) if source.audio is None else None
        if pictures is not None and video is None:
            raise CannotManipulate("the file has no picture")
        if heard is None and source.audio is not None:
            heard = Heard()  # sound of another file is put into this one
        copied = [stream for stream, change in ((video, pictures), (sound, heard)) if stream and change is None]
        target = _named(target, video, heard, copied)
        with unfinished(target) as partial, av.open(f"file:{partial}", "w", format=_FORMATS[target.suffix]) as after:
            writers: list[Callable[[], None]] = []
            if video is not None and pictures is not None:
                writers.append(_pictures_writer(source.path, after, video, pictures, start_time(before), lasts))
            if heard is not None:
                writers.append(_sound_writer(source, after, video is None, heard, chance))
            copy_streams(before, after, copied)
            for write in writers:
                write()
    return target


def read_sound(path: Path) -> Samples:
    """Return the sound of a file, from its time 0 on, float32 [n]; nothing if it has none.

    Raises:
        CannotJudge: `unreadable`.
    """
    return np.concatenate([np.zeros(0, np.float32), *Sound(path).blocks()])


def _named(
    target: Path, video: VideoStream | None, heard: Heard | None, copied: list[VideoStream | AudioStream]
) -> Path:
    ending = _ENDINGS[heard.codec or "flac"] if video is None and heard is not None else copied_ending(copied)
    return target.with_name(target.name + ending)


def _pictures_writer(
    path: Path, after: OutputContainer, shown: VideoStream, change: Pictures, zero: float, lasts: float
) -> Callable[[], None]:
    """Add a stream for the changed pictures, whose time 0 was `zero` (s); the returned function fills it."""
    chain = (("setpts", f"(PTS-{zero}/TB)*{lasts}"), *change.chain)
    pictures = filtered_pictures(_decoded(path), chain)
    first = next(pictures, None)
    if first is None:
        raise CannotManipulate("no picture can be decoded")
    rate = change.rate or shown.average_rate or _PICTURES_PER_SECOND
    video = after.add_stream(change.codec, rate=rate, options=dict(change.options))
    assert isinstance(video, VideoStream)
    video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
    video.codec_context.time_base = first.time_base or _CLOCK
    paint = change.painter(first.height, first.width) if change.painter else None

    def write() -> None:
        for picture in chain_of([first], pictures):
            again = picture if paint is None else _painted(picture, paint)
            again.pict_type = PictureType.NONE  # else I pictures stay I pictures
            after.mux(video.encode(again))
        after.mux(video.encode(None))

    return write


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    """The pictures of a file that have a time."""
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is not None:
            yield from (picture for time, picture in decoded(container, stream) if time is not None)


def _painted(picture: av.VideoFrame, paint: Paint) -> av.VideoFrame:
    pixels = np.ascontiguousarray(paint(np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)))
    again = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    again.pts, again.time_base = picture.pts, picture.time_base
    return again


def _sound_writer(
    source: Source, after: OutputContainer, alone: bool, change: Heard, chance: random.Random
) -> Callable[[], None]:
    """Add a stream for the changed sound; the returned function fills it."""
    samples = read_sound(source.sound_path)
    if not len(samples):
        raise CannotManipulate("the file has no sound")
    if change.effect is not None:
        samples = change.effect(samples, source, chance)
    codec = change.codec or ("flac" if alone else "aac")
    voice = after.add_stream(codec, rate=RATE, layout="mono")
    assert isinstance(voice, AudioStream)
    if codec != "flac":
        voice.bit_rate = change.bit_rate or 128_000

    def write() -> None:
        # 16 bits: the only format that all the encoders' resamplers and FLAC agree on without a rounding of their own.
        whole = (samples.clip(-1, 1) * 32767).round().astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole[None]), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
        after.mux(voice.encode(frame))
        after.mux(voice.encode(None))

    return write
