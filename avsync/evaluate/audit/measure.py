"""Measure the facts of one file. This runs in the worker processes of an audit."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import mean, median

from avsync.errors import CannotJudge, Reason
from avsync.evaluate.audit.facts import Faces, Measured, Value, values
from avsync.evaluate.sound_facts import sound_facts
from avsync.media import frames, read_headers

# Faces are looked for in so many pictures, so far apart (in frames at 25 per second).
_PICTURES, _STEP = 3, 25


class Measurer:
    """Measures files; the face detector, if one is named, is made once.

    Args:
        faces: the name of a face detector; None: faces are left out, and no picture is decoded.
    """

    def __init__(self, faces: str | None = None) -> None:
        self._find: Callable[[Path], Faces] | None = None if faces is None else _finder(faces)

    def __call__(self, path: Path, audio: Path | None) -> dict[str, Value]:
        """Return the facts of a clip by name.

        Args:
            path: the file.
            audio: the sound file beside it, if there is one.

        Raises:
            CannotJudge: it cannot be read.
        """
        headers = read_headers(path)
        of_sound = headers.audio if audio is None else read_headers(audio).audio
        if headers.video is None and of_sound is None:
            raise CannotJudge(Reason.UNREADABLE, "it has neither pictures nor sound")
        return values(
            Measured(
                container=headers.container,
                encoder=headers.encoder,
                video=headers.video,
                audio=of_sound,
                sound=None if of_sound is None else sound_facts(audio or path),
                faces=None if self._find is None or headers.video is None else self._find(path),
            )
        )


def _finder(name: str) -> Callable[[Path], Faces]:
    from avsync.face import load_face_detector

    detector = load_face_detector(name)

    def find(path: Path) -> Faces:
        found = []
        try:
            for frame in islice(frames(path, stop=_PICTURES * _STEP / 25), 0, None, _STEP):
                found.append([box[2] - box[0] for box in detector.find(frame.image)])
        except CannotJudge:  # damaged pictures: what was seen until then counts
            pass
        widths = [max(boxes) for boxes in found if boxes]
        return Faces(mean(map(len, found)) if found else 0.0, median(widths) if widths else None)

    return find
