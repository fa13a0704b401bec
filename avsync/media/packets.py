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

from avsync.media.facts import StreamFacts

# 8K UHD is 33 megapixels; a stream that claims more is damaged, and decoding it would exhaust the memory.
MAX_PIXELS = 40_000_000
# Reading ends after this many packets in a row that cannot be read or decoded.
_MAX_BAD_PACKETS = 250
# A jump forwards by more than this (s) is damage, not a pause; a longer jump back is another recording after the first.
_MAX_PAUSE = 600.0
_MAX_RETURN = 1.0
# A shorter gap between frames (s) is rounding of timestamps, or a pause of a variable frame rate.
_HOLE = {"audio": 0.01, "video": 1.0}
# A stream that ends this long (s) before the end in its header is truncated.
_MAX_SHORTFALL = 0.5


@overload
def decoded(
    container: InputContainer,
    stream: VideoStream,
    warnings: list[str] | None = None,
    facts: StreamFacts | None = None,
) -> Iterator[tuple[float | None, VideoFrame]]: ...
@overload
def decoded(
    container: InputContainer,
    stream: AudioStream,
    warnings: list[str] | None = None,
    facts: StreamFacts | None = None,
) -> Iterator[tuple[float | None, AudioFrame]]: ...
def decoded(
    container: InputContainer,
    stream: VideoStream | AudioStream,
    warnings: list[str] | None = None,
    facts: StreamFacts | None = None,
) -> Iterator[tuple[float | None, VideoFrame | AudioFrame]]:
    """Yield every frame of `stream` with its presentation time in seconds, None where the file has none.

    Frames that cannot be decoded, or whose times jump out of the recording, are skipped. If there were any, or if the
    stream is truncated, one line is added to `warnings` at the end, also if the caller stops before the end of the
    stream. `facts` counts along.
    """
    facts = facts if facts is not None else StreamFacts()
    clock = _Clock(stream.type)
    zero, in_place, ended = start_time(container), True, False
    try:
        for frame in _decode(container, stream):
            if frame is None:
                facts.errors += 1
                continue
            facts.errors += frame.is_corrupt
            time = None if frame.time is None else frame.time - zero
            if time is not None:
                in_place = clock.has_place_for(time)
            if not in_place:
                facts.misplaced += 1
                continue
            if time is not None:
                clock.advance(time, _seconds(frame))
            elif stream.type == "audio":  # several frames in a packet of MPEG-TS: only the first has a time
                clock.advance(clock.end, _seconds(frame))
            facts.frames += 1
            facts.holes, facts.missing = clock.holes, clock.missing
            yield time, frame
        ended = True
    finally:
        if warnings is not None:
            warnings.extend(_damage(stream, facts, clock.end if ended else None, zero))


class _Clock:
    """Follows the times of a stream. `latest`: start of its last frame; `end`: end of its last frame (s)."""

    def __init__(self, kind: str) -> None:
        self.latest, self.end, self.holes = 0.0, 0.0, 0
        self._kind, self._begun = kind, False
        self._filled, self._heard, self._missing = 0.0, 0.0, 0.0

    @property
    def missing(self) -> float:
        """Seconds without a frame, less the time that frames overlap."""
        return max(0.0, self._missing) if self.holes else 0.0

    def has_place_for(self, time: float) -> bool:
        """Whether a frame at `time` (s) belongs to the recording.

        Pauses in sound are filled with silence, so all of them together may last `_MAX_PAUSE` plus the time that is
        heard: sound that is sent only while somebody speaks has many pauses.
        """
        pauses = max(0.0, self._filled - self._heard) if self._kind == "audio" else 0.0
        return self.latest - _MAX_RETURN <= time <= self.latest + _MAX_PAUSE - pauses

    def advance(self, time: float, seconds: float) -> None:
        gap = time - (self.end if self._kind == "audio" else self.latest)
        self._filled += max(0.0, time - self.end)
        self._heard += seconds
        if self._begun:
            self.holes += gap > _HOLE[self._kind]
            if self._kind == "audio" or gap > _HOLE[self._kind]:
                self._missing += gap
        self._begun = True
        self.latest, self.end = max(self.latest, time), max(self.end, time + seconds)


def _seconds(frame: VideoFrame | AudioFrame) -> float:
    if isinstance(frame, AudioFrame):
        return frame.samples / max(1, frame.sample_rate)
    return float(frame.duration * (frame.time_base or 0))


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
    """Yield decoded frames, None for each packet that cannot be read or decoded, or that is there twice."""
    stream.codec_context.thread_type = ThreadType.AUTO
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    bad, last = 0, None
    for packet in read(container, stream):
        pieces: list[VideoFrame | AudioFrame | None] = [None]
        if packet is not None and not (last is not None and _is_copy(packet, last)):
            last = packet
            with suppress(av.FFmpegError, ValueError):
                # The demuxer marks a packet as corrupt when a part of it is missing.
                pieces = [*([None] if packet.is_corrupt else []), *stream.decode(packet)]
        yield from pieces
        bad = bad + 1 if pieces == [None] else 0
        if bad == _MAX_BAD_PACKETS:
            return


def _is_copy(packet: "Packet[Stream]", last: "Packet[Stream]") -> bool:
    """Whether a packet repeats the one before it: decoded twice, it would lengthen the sound or spoil the pictures."""
    return packet.pts is not None and packet.pts == last.pts and packet.size > 0 and bytes(packet) == bytes(last)


def _damage(stream: VideoStream | AudioStream, facts: StreamFacts, end: float | None, zero: float) -> Iterator[str]:
    """A line if the stream is damaged, or truncated at `end` (s); None: its end was not read."""
    parts = []
    if facts.errors:
        parts.append(f"packets that cannot be decoded well: {facts.errors}")
    if facts.misplaced:
        parts.append(f"frames out of place in time: {facts.misplaced}")
    if end is not None and stream.duration is not None and stream.time_base is not None:
        promised = float(((stream.start_time or 0) + stream.duration) * stream.time_base) - zero
        if end < promised - _MAX_SHORTFALL:
            parts.append(f"ends at {end:.1f} s of {promised:.1f} s")
    if parts:
        damaged = facts.errors or facts.misplaced
        yield f"{stream.type} {'damaged' if damaged else 'truncated'}: {', '.join(parts)}"
