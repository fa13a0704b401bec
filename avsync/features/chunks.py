"""Long tracks in overlapping chunks, so that an encoder sees each frame with what is around it, in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from avsync.clip import FaceClip, talking_clips
from avsync.face import FaceDetector
from avsync.media import FPS
from avsync.speech import SpeechActivity

# AVH-Align and SpeechForensics encode whole clips; a chunk of 50 s is one for nearly all of them. The two seconds on
# either side of longer ones are seen, not kept (scripts/benchmark_backbones.py measures what that changes).
CHUNK_SECONDS, CONTEXT = 50, 2 * FPS


@dataclass(frozen=True, slots=True)
class Chunk:
    """A clip of at most 50 s, of which the frames of `core` are this chunk's own; the rest are its neighbours'."""

    clip: FaceClip
    core: slice


def chunks(
    path: Path,
    activity: SpeechActivity,
    detector: FaceDetector,
    *,
    audio: Path | None = None,
    warnings: list[str] | None = None,
) -> Iterator[Chunk]:
    """Every face of a file, chunk by chunk; arguments and errors are those of `talking_clips`."""
    seconds = CHUNK_SECONDS - 2 * CONTEXT // FPS
    return with_context(talking_clips(path, activity, detector, audio=audio, warnings=warnings, seconds=seconds))


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
        # Tracks whose time is over are not waited with: a long file has thousands.
        for track in [track for track, other in waiting.items() if _end(other.clip) < clip.start - 1 / FPS]:
            yield waiting.pop(track)
        waiting[clip.track] = chunk
    yield from waiting.values()


def _follows(before: FaceClip, after: FaceClip) -> bool:
    return abs(_end(before) - after.start) < 0.5 / FPS


def _end(clip: FaceClip) -> float:
    return clip.start + len(clip) / FPS
