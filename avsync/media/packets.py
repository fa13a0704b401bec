"""Read and decode a stream on the clip's clock, past whatever damage the file has."""

from collections.abc import Iterator
from contextlib import suppress
from typing import overload

import av
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

# 8K UHD is 33 megapixels; a stream that claims more would only exhaust the memory.
MAX_PIXELS = 40_000_000
# A file of which this many packets in a row cannot be read or decoded is over.
_MAX_BAD_PACKETS = 250
# A time further (s) ahead than this is damage, not a pause; further back, another recording behind the first.
_MAX_PAUSE = 600.0
_MAX_RETURN = 1.0
# A stream that ends this much (s) before its header says is truncated.
_MAX_SHORTFALL = 0.5


@overload
def decoded(
    container: InputContainer, stream: VideoStream, warnings: list[str] | None = None
) -> Iterator[tuple[float | None, VideoFrame]]: ...
@overload
def decoded(
    container: InputContainer, stream: AudioStream, warnings: list[str] | None = None
) -> Iterator[tuple[float | None, AudioFrame]]: ...
def decoded(
    container: InputContainer, stream: VideoStream | AudioStream, warnings: list[str] | None = None
) -> Iterator[tuple[float | None, VideoFrame | AudioFrame]]:
    """Every frame of `stream` with its presentation time in seconds, None where the file does not tell it.

    Frames that cannot be decoded, or whose times leap out of the recording, are passed over; if there were any, or
    the stream is truncated, `warnings` gets one line at the end.
    """
    zero, latest, end = start_time(container), 0.0, 0.0
    bad, astray, in_place = 0, 0, True
    for frame in _decode(container, stream):
        if frame is None:
            bad += 1
            continue
        bad += frame.is_corrupt
        time = None if frame.time is None else frame.time - zero
        if time is not None:
            in_place = latest - _MAX_RETURN <= time <= latest + _MAX_PAUSE
        if not in_place:
            astray += 1
            continue
        if time is not None:
            latest = max(latest, time)
            end = max(end, time + float(frame.duration * (frame.time_base or 0)))
        yield time, frame
    if warnings is not None:
        warnings.extend(_damage(stream, bad, astray, end, zero))


def start_time(container: InputContainer) -> float:
    """The container's own time (s) of our time 0: where its first stream starts (MPEG-TS: 1.4 s by custom)."""
    return (container.start_time or 0) / av.time_base


def read(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator["Packet[Stream] | None"]:
    """The packets of `streams`, None for one that cannot be read; ends after too many of those in a row."""
    bad = 0
    while bad < _MAX_BAD_PACKETS:
        try:
            # An error ends a demuxing generator, not the file: the next one goes on behind it.
            for packet in container.demux(streams):
                yield packet
                bad = 0
            return
        except IndexError:  # a packet of a stream that turned up on the way: not ours
            continue
        except (av.FFmpegError, ValueError):
            bad += 1
            yield None


def _decode(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[VideoFrame | AudioFrame | None]:
    """What the decoder gives, None for a packet that cannot be read or decoded."""
    stream.codec_context.thread_type = ThreadType.AUTO
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    bad = 0
    for packet in read(container, stream):
        pieces: list[VideoFrame | AudioFrame | None] = [None]
        if packet is not None:
            with suppress(av.FFmpegError, ValueError):
                # The demuxer calls a packet corrupt when it saw that a part of it is missing.
                pieces = [*([None] if packet.is_corrupt else []), *stream.decode(packet)]
        yield from pieces
        bad = bad + 1 if pieces == [None] else 0
        if bad == _MAX_BAD_PACKETS:
            return


def _damage(stream: VideoStream | AudioStream, bad: int, astray: int, end: float, zero: float) -> Iterator[str]:
    parts = []
    if bad:
        parts.append(f"packets that cannot be decoded well: {bad}")
    if astray:
        parts.append(f"frames out of place in time: {astray}")
    if stream.duration is not None and stream.time_base is not None:
        promised = float(((stream.start_time or 0) + stream.duration) * stream.time_base) - zero
        if end < promised - _MAX_SHORTFALL:
            parts.append(f"ends at {end:.1f} s of {promised:.1f} s")
    if parts:
        yield f"{stream.type} {'damaged' if bad or astray else 'truncated'}: {', '.join(parts)}"
