"""One small picture of a file, in colour, for people to recognise it by."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from avsync.errors import CannotJudge
from avsync.media.packets import decoded, start_time
from avsync.media.probe import open_media, video_stream

_SIDE = 320  # pixels of the longer side


def still(path: Path, time: float) -> tuple[float, NDArray[np.uint8]] | None:
    """The key frame at or before `time` (s), upright: its time and RGB pixels [H, W, 3]; None if it cannot be read."""
    try:
        with open_media(path) as container:
            stream = video_stream(container)
            if stream is None:
                return None
            container.seek(round((time + start_time(container)) * av.time_base))
            at, picture = next((at, frame) for at, frame in decoded(container, stream))
            return max(0.0, at or 0.0), upright(picture, _SIDE)
    except (CannotJudge, av.FFmpegError, ValueError, StopIteration):
        return None


def upright(picture: av.VideoFrame, side: int) -> NDArray[np.uint8]:
    """A decoded picture as upright RGB pixels with even sides, the longer at most `side`."""
    scale = min(1.0, side / max(picture.width, picture.height))
    width, height = (max(2, round(length * scale / 2) * 2) for length in (picture.width, picture.height))
    pixels = picture.reformat(width, height, "rgb24").to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(picture.rotation / 90) % 4))
