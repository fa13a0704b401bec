"""Read and decode a stream on the clip's clock; damaged parts are skipped and reported."""

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

# 8K UHD is 33 megapixels; a stream that claims more is damaged, and decoding it would exhaust the memory.
MAX_PIXELS = 40_000_000
# Reading ends after this many packets in a row that cannot be read or decoded.
_MAX_BAD_PACKETS = 250
# A jump forwards by more than this (s) is damage, not a pause; a longer jump back is another recording after the first.
_MAX_PAUSE = 600.0
_MAX_RETURN = 1.0
# A stream that ends this long (s) before the end in its header is truncated.
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
    """Yield every frame of `stream` with its presentation time in seconds, None where the file has none.

    Frames that cannot be decoded, or whose times jump out of the recording, are skipped. If there were any, or if the
    stream is truncated, one line is added to `warnings` at the end.
    """
    zero, latest, end = start_time(container), 0.0, 0.0
    bad, misplaced, in_place = 0, 0, True
    for frame in _decode(container, stream):
        if frame is None:
            bad += 1
            continue
        bad += frame.is_corrupt
        time = None if frame.time is None else frame.time - zero
        if time is not None:
            in_place = latest - _MAX_RETURN <= time <= latest + _MAX_PAUSE
        if not in_place:
            misplaced += 1
            continue
        if time is not None:
            latest = max(latest, time)
            end = max(end, time + float(frame.duration * (frame.time_base or 0)))
        yield time, frame
    if warnings is not None:
        warnings.extend(_damage(stream, bad, misplaced, end, zero))


def start_time(container: InputContainer) -> float:
    """Return the container time (s) that is our time 0: the start of its first stream (in MPEG-TS usually 1.4 s)."""
    return (container.start_time or 0) / av.time_base


def read(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator["Packet[Stream] | None"]:
    """Yield the packets of `streams`, None for each that cannot be read; end after too many of those in a row."""
    bad = 0
    while bad < _MAX_BAD_PACKETS:
        try:
            # An error ends the demuxing generator, not the file: a new one continues after the error.
            for packet in container.demux(streams):
                yield packet
                bad = 0
            return
        except IndexError:  # a packet of a stream that appeared later in the file: not one of `streams`
            continue
        except (av.FFmpegError, ValueError):
            bad += 1
            yield None


def _decode(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[VideoFrame | AudioFrame | None]:
    """Yield decoded frames, None for each packet that cannot be read or decoded."""
    stream.codec_context.thread_type = ThreadType.AUTO
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    bad = 0
    for packet in read(container, stream):
        pieces: list[VideoFrame | AudioFrame | None] = [None]
        if packet is not None:
            with suppress(av.FFmpegError, ValueError):
                # The demuxer marks a packet as corrupt when a part of it is missing.
                pieces = [*([None] if packet.is_corrupt else []), *stream.decode(packet)]
        yield from pieces
        bad = bad + 1 if pieces == [None] else 0
        if bad == _MAX_BAD_PACKETS:
            return


def _damage(stream: VideoStream | AudioStream, bad: int, misplaced: int, end: float, zero: float) -> Iterator[str]:
    parts = []
    if bad:
        parts.append(f"packets that cannot be decoded well: {bad}")
    if misplaced:
        parts.append(f"frames out of place in time: {misplaced}")
    if stream.duration is not None and stream.time_base is not None:
        promised = float(((stream.start_time or 0) + stream.duration) * stream.time_base) - zero
        if end < promised - _MAX_SHORTFALL:
            parts.append(f"ends at {end:.1f} s of {promised:.1f} s")
    if parts:
        yield f"{stream.type} {'damaged' if bad or misplaced else 'truncated'}: {', '.join(parts)}"
