"""What can separate real clips from fakes without a look at what is shown or said. To add a fact, add its row here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from avsync.evaluate.sound_facts import SoundFacts
from avsync.media import AudioHeader, VideoHeader

Value = float | str | None  # None: the clip has no such fact
Source = Literal["headers", "packets", "sound", "faces"]


@dataclass(frozen=True, slots=True)
class Faces:
    """What a face detector finds in a few pictures of a clip.

    Attributes:
        count: faces in a picture, their mean.
        width: of the largest face (px), the median over pictures with one; None if no picture has one.
    """

    count: float
    width: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a clip.

    Attributes:
        container: FFmpeg's name of the format, and the brand of an MP4 file.
        encoder: what wrote the container, as its tag says; empty if it has none.
        video, audio: the headers of the streams; None where there is none.
        sound: None without sound, or if it cannot be decoded.
        faces: None without picture, or if nobody looked for them.
    """

    container: str
    encoder: str
    video: VideoHeader | None
    audio: AudioHeader | None
    sound: SoundFacts | None
    faces: Faces | None = None


@dataclass(frozen=True)
class Fact:
    """A fact of a file.

    Attributes:
        name: how JSON and tables call it.
        unit: of its values; empty for words and counts.
        source: what must be read of the file: its headers, all its packets (no picture and no sound is decoded), its
            decoded sound, or a few pictures with a face detector.
        read: the value. Numbers are compared by size, words by how often they go with fakes.
        advice: what to do if it separates fakes from real clips.
    """

    name: str
    unit: str
    source: Source
    read: Callable[[Measured], Value]
    advice: str


_TRIM = "Cut the silence off both ends of every clip before anything is trained or compared; avsync does by default"
_CUT = "Cut all clips to one length, or compare clips of like length"
_ENCODE = "Encode real clips and fakes again with one encoder and the same settings"
_ALIGN = "Cut picture and sound of every clip to the time that both have"
_RESAMPLE = "Bring all sound to one rate and one number of channels, with one resampler"
_SCALE = "Bring all faces to one size, real ones and fake ones with the same filter"
_FPS = "Bring all clips to one frame rate, by time"


def _part(part: str, field: str) -> Callable[[Measured], Value]:
    """Reads a field of a part of what is measured; None where the part is not there."""

    def read(measured: Measured) -> Value:
        found = getattr(measured, part)
        value: Value = None if found is None else getattr(found, field)
        return value

    return read


def _kilobits(part: str) -> Callable[[Measured], Value]:
    """Reads the bit rate of a stream."""

    def read(measured: Measured) -> Value:
        stream: AudioHeader | VideoHeader | None = getattr(measured, part)
        return None if stream is None or stream.bit_rate is None else stream.bit_rate / 1000

    return read


def _difference(field: str) -> Callable[[Measured], Value]:
    """Reads the sound's value minus the picture's."""

    def read(measured: Measured) -> Value:
        if measured.video is None or measured.audio is None:
            return None
        return float(getattr(measured.audio, field) - getattr(measured.video, field))

    return read


def _clip_length(measured: Measured) -> Value:
    return max((stream.end for stream in (measured.video, measured.audio) if stream is not None), default=None)


def _streams(measured: Measured) -> Value:
    there = {"picture": measured.video, "sound": measured.audio}
    return " and ".join(name for name, stream in there.items() if stream is not None) or "none"


def _encoder(measured: Measured) -> Value:
    """The tags of the container and of both streams, which programs leave behind."""
    streams = [stream.encoder for stream in (measured.video, measured.audio) if stream is not None]
    return ", ".join(filter(None, [measured.encoder, *streams])) or "no tag"


FACTS: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("leading_silence", "s", "sound", _part("sound", "leading_silence"), _TRIM),
        Fact("trailing_silence", "s", "sound", _part("sound", "trailing_silence"), _TRIM),
        Fact("first_sample", "", "sound", _part("sound", "first_sample"), _TRIM),
        Fact("clip_length", "s", "packets", _clip_length, _CUT),
        Fact("sound_minus_picture", "s", "packets", _difference("seconds"), _ALIGN),
        Fact("sound_start", "s", "packets", _difference("start"), _ALIGN),
        Fact("streams", "", "headers", _streams, "Leave out clips without picture or without sound"),
        Fact("fps", "1/s", "headers", _part("video", "fps"), _FPS),
        Fact("picture_width", "px", "headers", _part("video", "width"), _SCALE),
        Fact("picture_height", "px", "headers", _part("video", "height"), _SCALE),
        Fact("video_bit_rate", "kbit/s", "packets", _kilobits("video"), _ENCODE),
        Fact("audio_bit_rate", "kbit/s", "packets", _kilobits("audio"), _ENCODE),
        Fact("key_frame_distance", "frames", "packets", _part("video", "key_frame_distance"), _ENCODE),
        Fact("video_codec", "", "headers", _part("video", "codec"), _ENCODE),
        Fact("pixel_format", "", "headers", _part("video", "pixel_format"), _ENCODE),
        Fact("audio_codec", "", "headers", _part("audio", "codec"), _ENCODE),
        Fact("encoder", "", "headers", _encoder, _ENCODE),
        Fact("container", "", "headers", lambda m: m.container, _ENCODE),
        Fact("audio_rate", "Hz", "headers", _part("audio", "rate"), _RESAMPLE),
        Fact("audio_channels", "", "headers", _part("audio", "channels"), _RESAMPLE),
        Fact("loudness", "dB", "sound", _part("sound", "loudness"), "Bring all sound to one loudness"),
        Fact("band_limit", "Hz", "sound", _part("sound", "highest_frequency"), "Low-pass all sound alike"),
        Fact("faces", "", "faces", _part("faces", "count"), "Keep clips with one face"),
        Fact("face_width", "px", "faces", _part("faces", "width"), _SCALE),
    )
}


def values(measured: Measured) -> dict[str, Value]:
    """Return the value of every fact."""
    return {name: fact.read(measured) for name, fact in FACTS.items()}
