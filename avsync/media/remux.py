"""Copy streams from one file to another without decoding them, so that nothing of them is lost."""

from collections.abc import Iterable

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from avsync.media.packets import read, start_time

# What MP4 holds; a clip whose copied streams need more becomes Matroska.
_IN_MP4 = frozenset({"h264", "hevc", "mpeg4", "av1", "vp9", "aac", "mp3", "opus", "flac", "alac", "ac3"})


def copied_ending(streams: Iterable[VideoStream | AudioStream]) -> str:
    """The ending of a file that can hold copies of streams: `.mp4`, or `.mkv` where MP4 cannot hold them all."""
    return ".mp4" if all(stream.codec_context.name in _IN_MP4 for stream in streams) else ".mkv"


def copy_streams(
    before: InputContainer,
    after: OutputContainer,
    streams: list[VideoStream | AudioStream],
    start: float = 0.0,
    stop: float = float("inf"),
) -> None:
    """Copy the packets of streams that begin in [start, stop) (s); the time 0 of the copy is `start`.

    From a start of 0 packets before time 0 are copied too: an encoder of sound begins with them. Only sound can begin
    anywhere; pictures need those before them.
    """
    copies = {stream.index: after.add_stream_from_template(stream) for stream in streams}
    zero = start_time(before)
    for packet in read(before, *streams) if streams else ():
        if packet is None or packet.dts is None or packet.stream.index not in copies:
            continue
        time = float((packet.dts if packet.pts is None else packet.pts) * packet.time_base) - zero
        if (start > 0 and time < start) or time >= stop:
            continue
        shift = round((zero + start) / packet.time_base)
        packet.dts -= shift
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.stream = copies[packet.stream.index]
        after.mux(packet)
