"""Open an untrusted media file and read its headers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from avsync.errors import CannotJudge, Reason
from avsync.media.fragments import missing_fragments
from avsync.media.packets import MAX_PIXELS, read, start_time

# Containers that hold the media themselves. Playlists (hls, concat, dash) could name other files and URLs.
DEMUXERS = (
    "3dostr,aac,ac3,aiff,asf,au,avi,caf,eac3,flac,flv,h264,hevc,ivf,live_flv,m4v,matroska,mjpeg,mov,mp3,mpeg,"
    "mpegts,mpegvideo,mxf,nut,ogg,rm,w64,wav"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS, "max_pixels": str(MAX_PIXELS)}


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """The headers of a file.

    Attributes:
        path: the file.
        duration: seconds from time 0, the start of the first stream; 0.0 if the file does not tell it.
        has_video, has_audio: whether there is a stream of moving pictures, and one of sound, that can be decoded.
        width, height: in pixels as stored, before rotation.
        fps: average frame rate in the header.
        audio_rate: samples per second.
        channels: of the sound.
        video_seconds, audio_seconds: when pictures and sound end (s), None where the file does not tell it.
        missing_fragments: fragments of an MP4 file that are missing, by their numbers.
    """

    path: Path
    duration: float
    has_video: bool
    has_audio: bool
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_rate: int = 0
    channels: int = 0
    video_seconds: float | None = None
    audio_seconds: float | None = None
    missing_fragments: int = 0


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open `path` for reading, without network and without following playlists.

    Raises:
        CannotJudge: `unreadable`: the file is missing, empty, a folder or not a media file.
    """
    try:
        _check_is_file(path)
        # "file:" keeps FFmpeg from taking a part of the name for a protocol or an option.
        container = av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise CannotJudge(Reason.UNREADABLE, f"not a readable media file ({_words(error)})") from error
    with container:
        yield container


def video_stream(container: InputContainer) -> VideoStream | None:
    """Return the first stream of moving pictures (not a cover image) that can be decoded, or None.

    Raises:
        CannotJudge: `unreadable`: the picture size is missing or too large.
    """
    for stream in container.streams.video:
        if stream.codec_context is None or stream.disposition & Disposition.attached_pic:
            continue
        if not 0 < stream.width * stream.height <= MAX_PIXELS:  # FFmpeg sets sizes it rejects to 0
            raise CannotJudge(Reason.UNREADABLE, "the picture size is missing or too large")
        return stream
    return None


def audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the first sound stream that can be decoded, or None."""
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def probe(path: str | Path) -> MediaInfo:
    """Read the headers of a media file.

    Raises:
        CannotJudge: `unreadable`.
    """
    path = Path(path)
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        return MediaInfo(
            path=path,
            duration=_duration(container),
            has_video=video is not None,
            has_audio=audio is not None,
            width=video.width if video else 0,
            height=video.height if video else 0,
            fps=float(video.average_rate or 0) if video else 0.0,
            audio_rate=audio.rate if audio else 0,
            channels=audio.channels if audio else 0,
            video_seconds=_end(container, video),
            audio_seconds=_end(container, audio),
            missing_fragments=missing_fragments(path) if "mp4" in container.format.name else 0,
        )


def _end(container: InputContainer, stream: VideoStream | AudioStream | None) -> float | None:
    if stream is None or stream.duration is None or stream.time_base is None:
        return None
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - start_time(container)


def _duration(container: InputContainer) -> float:
    if container.duration and any(stream.duration for stream in container.streams):
        return max(0.0, container.duration / av.time_base)
    # If no stream has a duration, the header's duration (Matroska, FLV) counts from the container's own zero.
    end = (container.duration or 0) / av.time_base or _last_time(container)
    return max(0.0, end - start_time(container))


def _last_time(container: InputContainer) -> float:
    """The end of the last packet (s), by reading the whole file: browsers record WebM without a duration."""
    last = 0.0
    for packet in read(container):
        if packet is not None and packet.pts is not None:
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return last


def _check_is_file(path: Path) -> None:
    if not path.exists():
        raise CannotJudge(Reason.UNREADABLE, "no such file")
    if path.is_dir():
        raise CannotJudge(Reason.UNREADABLE, "is a directory")
    if not path.is_file():
        raise CannotJudge(Reason.UNREADABLE, "is not a regular file")
    if path.stat().st_size == 0:
        raise CannotJudge(Reason.UNREADABLE, "the file is empty")


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0].lower()
