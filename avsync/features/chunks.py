"""Long tracks in overlapping chunks: an encoder sees each frame with the frames around it, in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from avsync.clip import FaceClip
from avsync.media import FPS
from avsync.recording import Recording

# AVH-Align and SpeechForensics encode whole clips, nearly all of which fit into a chunk of 50 s. Of a longer track, the
# two seconds on either side of a chunk's core are encoded with it, but belong to its neighbours.
CHUNK_SECONDS, CONTEXT = 50, 2 * FPS


@dataclass(frozen=True, slots=True)
class Chunk:
    """A clip of at most 50 s. The frames of `core` belong to this chunk, the others to its neighbours."""

    clip: FaceClip
    core: slice


def chunks(recording: Recording, *, whole: bool = False) -> Iterator[Chunk]:
    """Every face of a recording, chunk by chunk; `whole` and errors as in `Recording.face_clips`."""
    return with_context(recording.face_clips(seconds=CHUNK_SECONDS - 2 * CONTEXT // FPS, whole=whole))


def with_context(clips: Iterable[FaceClip]) -> Iterator[Chunk]:
    """Every clip with up to two seconds of its track before and after it."""
    waiting: dict[int, Chunk] = {}
    for clip in clips:
        chunk = Chunk(clip, slice(0, len(clip)))
        before = waiting.pop(clip.track, None)
        if before is not None and _follows(before.clip, clip):
            yield Chunk(before.clip + clip[:CONTEXT], before.core)
            lead = before.clip[max(before.core.start, len(before.clip) - CONTEXT) :]
            chunk = Chunk(lead + clip, slice(len(lead), len(lead) + len(clip)))
        elif before is not None:
            yield before
        # A track that has ended does not wait for the end of the file: a long file has thousands.
        for track in [track for track, other in waiting.items() if other.clip.end < clip.start - 1 / FPS]:
            yield waiting.pop(track)
        waiting[clip.track] = chunk
    yield from waiting.values()


def _follows(before: FaceClip, after: FaceClip) -> bool:
    return abs(before.end - after.start) < 0.5 / FPS
