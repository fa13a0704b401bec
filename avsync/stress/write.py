"""Write pictures as a video beside the sound of another file, which is copied without loss."""

from collections.abc import Iterable
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from avsync.errors import CannotJudge, Reason
from avsync.files import unfinished
from avsync.media import FPS, REPEATABLE_X264
from avsync.media.probe import audio_stream, open_media
from avsync.media.remux import copied_ending, copy_streams
from avsync.stress.measures import Pictures

# As a careful editor would, and as `avsync evaluate --robustness` does.
_ENCODER = {"crf": "20", **REPEATABLE_X264}
_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}


def write_pictures(
    target: Path, pictures: Iterable[Pictures], sound: Path, start: float, seconds: float, comment: str
) -> Path:
    """Write a clip that appears under its name when it is whole, and return its path.

    Args:
        target: the file without ending; it gets `.mp4`, or `.mkv` where the sound is of a kind that MP4 cannot hold.
        pictures: at least one uint8 [H, W, 3] (sRGB) with even sides, 25 per second.
        sound: the file whose first stream of sound is copied.
        start, seconds: which part of the sound.
        comment: goes into the tag of this name, which players show.

    Raises:
        CannotJudge: `no_audio`, `unreadable`.
    """
    with open_media(sound) as before:
        heard = audio_stream(before)
        if heard is None:
            raise CannotJudge(Reason.NO_AUDIO, "there is no sound to copy")
        target = target.with_name(target.name + copied_ending([heard]))
        with unfinished(target) as partial, av.open(f"file:{partial}", "w", format=_FORMATS[target.suffix]) as after:
            after.metadata["comment"] = comment
            video = after.add_stream("libx264", rate=FPS, options=dict(_ENCODER))
            assert isinstance(video, VideoStream)
            shown = iter(pictures)
            first = next(shown)
            video.height, video.width = first.shape[:2]
            video.pix_fmt = "yuv420p"
            copy_streams(before, after, [heard], start, start + seconds)
            _encode(after, video, first)
            for picture in shown:
                _encode(after, video, picture)
            after.mux(video.encode(None))
    return target


def _encode(after: OutputContainer, video: VideoStream, picture: Pictures) -> None:
    after.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
