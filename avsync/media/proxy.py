"""A small copy of a recording that every browser plays: H.264 and AAC in MP4, on the clock of the verdict."""

from fractions import Fraction
from io import BytesIO

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from avsync.errors import CannotJudge
from avsync.media.audio import RATE, Sound
from avsync.media.packets import decoded
from avsync.media.probe import MediaInfo, open_media, video_stream
from avsync.media.still import upright

LONGEST = 600.0  # s: about 20 MB
_SIDE = 480  # pixels of the longer side
_FASTEST = 30  # pictures per second
_CLOCK = Fraction(1, 1000)
_PICTURES = {"crf": "30", "preset": "veryfast"}
_SOUND = 48_000  # bit/s


def proxy(info: MediaInfo, sound: Sound) -> bytes | None:
    """Encode pictures and sound anew, small: an MP4 file; None if that cannot be done, or takes over ten minutes."""
    if info.duration > LONGEST:
        return None
    file = BytesIO()
    try:
        with av.open(file, "w", format="mp4") as container:
            pictures = container.add_stream("libx264", rate=_FASTEST, options=_PICTURES) if info.has_video else None
            heard = container.add_stream("aac", rate=RATE, layout="mono") if info.has_audio else None
            if pictures is not None:
                _encode_pictures(container, pictures, info)
            if heard is not None:
                heard.bit_rate = _SOUND
                _encode_sound(container, heard, sound)
    except (CannotJudge, av.FFmpegError, ValueError):
        return None
    return file.getvalue()


def _encode_pictures(container: OutputContainer, stream: VideoStream, info: MediaInfo) -> None:
    stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _CLOCK
    last, size = -1.0, None
    with open_media(info.path) as source:
        shown = video_stream(source)
        if shown is None:
            return
        for time, picture in decoded(source, shown):
            if time is None or time < last + 0.99 / _FASTEST:
                continue
            if time > LONGEST:
                break
            last, pixels = time, upright(picture, _SIDE)
            if size is None:
                size = stream.height, stream.width = pixels.shape[:2]
            if pixels.shape[:2] != size:
                continue  # a stream that changes its size goes on at the first one
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time / _CLOCK), _CLOCK
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _encode_sound(container: OutputContainer, stream: AudioStream, sound: Sound) -> None:
    done = 0
    for block in sound.blocks():
        if done > LONGEST * RATE:
            break
        if not len(block):
            continue
        frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, done, Fraction(1, RATE)
        done += len(block)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
