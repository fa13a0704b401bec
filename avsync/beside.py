"""Follow the faces of a file in a second process, while this one does something else.

Landmarks hold Python's lock while they are read, so a thread would not do. The process has no network, and is ended
and replaced as those of `avsync.engine` are.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.engine import LIMITS, LOCAL, Answer, Arrays, End, Held, InternalError, Job, Pool, Run, Task, Telling
from avsync.face import PATCH_SIDE
from avsync.face.interface import Imported
from avsync.media import StreamFacts
from avsync.watch import FollowedFace, OnSecond, Seen, Stretch, watch

# Pieces of faces that may wait to be taken: 28 MB for each 30 s.
_ROOM = 1


class WatchBeside:
    """`avsync.watch.watch` in a process that serves one file after another. It starts at once.

    Args:
        faces: makes the face detector there.
    """

    def __init__(self, faces: Imported) -> None:
        self._pool = Pool(LOCAL, Task(partial(_Watching, faces), LIMITS, _read), 1, at_once=True)

    def __call__(self, stretch: Stretch, seen: Seen, on_second: OnSecond) -> Iterator[FollowedFace]:
        """As `avsync.watch.watch`.

        Raises:
            CannotJudge: also `crashed`, `out_of_memory` or `timed_out`: the process ended.
            UsageError, InternalError, AvsyncError: as those of `avsync.engine.Pool.run`.
        """

        def tell(run: Run) -> None:
            for _, seconds, _ in run.reading.copy().values():
                on_second(seconds)

        with closing(self._pool.map([Job(stretch, str(stretch.path))], room=_ROOM, on_wait=tell)) as events:
            for event in events:
                if isinstance(event, End):
                    _raise(event)
                elif isinstance(event.value, FollowedFace):
                    yield event.value
                else:
                    for field in fields(Seen):
                        setattr(seen, field.name, getattr(event.value, field.name))

    def close(self) -> None:
        """End the process."""
        self._pool.close()


class _Watching:
    """The work of the process."""

    def __init__(self, faces: Imported) -> None:
        self._detector = faces()
        nothing = np.zeros((1, PATCH_SIDE, PATCH_SIDE), np.uint8)
        self._detector.find(nothing[0])  # loads what it loads on first use
        self._detector.landmarks(nothing)

    def __call__(self, stretch: Stretch, tell: Telling) -> Iterator[Answer]:
        tell.length_of(str(stretch.path))
        seen = Seen()
        for face in watch(self._detector, stretch, seen, lambda time: tell.progress("faces", time, 0.0)):
            arrays: Arrays = {"patches": face.patches, "points": face.points, "squares": face.squares}
            yield {"track": face.track, "start": face.start}, arrays
        yield {"seen": asdict(seen)}, {}


def _raise(end: End) -> None:
    """Raise what the pass ended with, if it was an error."""
    if end.refusal is not None:
        cause = end.refusal.__cause__
        raise cause if isinstance(cause, InternalError) else end.refusal


def _read(data: dict[str, Any], held: Held) -> FollowedFace | Seen:
    """What the process sent."""
    if "seen" in data:
        told = dict(data["seen"])
        stream, (width, height) = StreamFacts(**told.pop("stream")), told.pop("size")
        return Seen(stream, [str(line) for line in told.pop("warnings")], (int(width), int(height)), **told)
    arrays = held.get()
    count = len(arrays["patches"])
    return FollowedFace(
        int(data["track"]),
        float(data["start"]),
        _checked(arrays, "patches", np.uint8, (count, PATCH_SIDE, PATCH_SIDE)),
        _checked(arrays, "points", np.float32, (count, 68, 2)),
        _checked(arrays, "squares", np.int64, (count, 3)),
    )


def _checked(arrays: Arrays, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    array = arrays[name]
    if array.dtype != kind or array.shape != shape:
        raise ValueError(name)
    return array
