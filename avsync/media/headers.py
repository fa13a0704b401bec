"""What a container says of its streams, and what their packets add: no picture and no sound is decoded."""

from dataclasses import dataclass
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from avsync.media.packets import read, start_time
from avsync.media.probe import audio_stream, open_media, video_stream


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """One stream.

    Attributes:
        codec: its name and profile, such as "h264 High".
        encoder: what wrote it, as its tag says; empty if it has none.
        start, end: the time of its first and after its last packet (s), 0 being the start of the first stream.
        bit_rate: bits per second, of its packets; None if they have no times.
    """

    codec: str
    encoder: str
    start: float
    end: float
    bit_rate: float | None

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class VideoHeader(StreamHeader):
    """The pictures.

    Attributes:
        width, height: in pixels as stored.
        fps: average frame rate in the header; None if it has none.
        pixel_format: such as "yuv420p".
        key_frame_distance: pictures from one key frame to the next (the length of a group of pictures), their mean;
            None with fewer than two key frames.
    """

    width: int
    height: int
    fps: float | None
    pixel_format: str
    key_frame_distance: float | None


@dataclass(frozen=True, slots=True)
class AudioHeader(StreamHeader):
    """The sound.

    Attributes:
        rate: samples per second.
        channels: their number.
    """

    rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Headers:
    """A file.

    Attributes:
        container: FFmpeg's name of the format, and the brand of an MP4 file.
        encoder: what wrote the container, as its tag says; empty if it has none.
        video, audio: the streams that are decoded; None if there is none, or nothing in it.
    """

    container: str
    encoder: str
    video: VideoHeader | None
    audio: AudioHeader | None


def read_headers(path: Path) -> Headers:
    """Read the headers and packets of a file.

    Raises:
        CannotJudge: `unreadable`.
    """
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        packets = _count(container, [stream for stream in (video, audio) if stream is not None])
        brand = container.metadata.get("major_brand", "")
        return Headers(
            container=" ".join(filter(None, (container.format.name, brand.strip()))),
            encoder=container.metadata.get("encoder", ""),
            video=_video(video, packets[video.index]) if video and packets[video.index].count else None,
            audio=_audio(audio, packets[audio.index]) if audio and packets[audio.index].count else None,
        )


@dataclass(slots=True)
class _Packets:
    """What the packets of a stream add up to."""

    count: int = 0
    keys: int = 0
    first_key: int = 0
    last_key: int = 0
    size: int = 0
    start: float = float("inf")
    end: float = float("-inf")

    @property
    def bit_rate(self) -> float | None:
        return 8 * self.size / (self.end - self.start) if self.end > self.start else None

    @property
    def times(self) -> tuple[float, float]:
        return (self.start, self.end) if self.end > self.start else (0.0, 0.0)


def _count(container: InputContainer, streams: list[VideoStream | AudioStream]) -> dict[int, _Packets]:
    found = {stream.index: _Packets() for stream in streams}
    zero = start_time(container)
    for packet in read(container, *streams):
        if packet is None or not packet.size or packet.stream.index not in found:
            continue
        of = found[packet.stream.index]
        if packet.is_keyframe:
            of.first_key = of.first_key if of.keys else of.count
            of.keys, of.last_key = of.keys + 1, of.count
        of.count += 1
        of.size += packet.size
        if packet.pts is not None:
            time = float(packet.pts * packet.time_base) - zero
            of.start = min(of.start, time)
            of.end = max(of.end, time + float((packet.duration or 0) * packet.time_base))
    return found


def _video(stream: VideoStream, packets: _Packets) -> VideoHeader:
    start, end = packets.times
    return VideoHeader(
        codec=_codec(stream),
        encoder=stream.metadata.get("encoder", ""),
        start=start,
        end=end,
        bit_rate=packets.bit_rate,
        width=stream.width,
        height=stream.height,
        fps=float(stream.average_rate) if stream.average_rate else None,
        pixel_format=stream.pix_fmt or "",
        key_frame_distance=(packets.last_key - packets.first_key) / (packets.keys - 1) if packets.keys > 1 else None,
    )


def _audio(stream: AudioStream, packets: _Packets) -> AudioHeader:
    start, end = packets.times
    return AudioHeader(
        codec=_codec(stream),
        encoder=stream.metadata.get("encoder", ""),
        start=start,
        end=end,
        bit_rate=packets.bit_rate,
        rate=stream.rate,
        channels=stream.channels,
    )


def _codec(stream: VideoStream | AudioStream) -> str:
    return " ".join(filter(None, (stream.codec_context.name, stream.profile)))
