"""Manipulated copies of clips: made by workers, under names that say what they hold, and taken up again."""

import errno
import random
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import av

from avsync.datasets.record import ClipRecord
from avsync.engine import LIMITS, Answer, End, Engine, Held, Job, Limits, Task, Telling, Work, do_jobs
from avsync.errors import CannotJudge
from avsync.evaluate.manipulations import MANIPULATIONS, RECIPES, CannotManipulate, Source
from avsync.files import sha256_of

# A full disk, or one that cannot be written, is no fault of the clip.
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES})


@dataclass(frozen=True, slots=True)
class CopyJob:
    """A copy to make.

    Attributes:
        manipulation: its name.
        clip: the name of the clip; it is the seed, too.
        source: what the copy is made of.
        folder: for the copies of all manipulations.
    """

    manipulation: str
    clip: str
    source: Source
    folder: Path


@dataclass(frozen=True, slots=True)
class Made:
    """A copy, or why there is none (then `path` is None)."""

    job: CopyJob
    path: Path | None
    why: str = ""


def make_copies(
    jobs: Iterable[CopyJob], count: int, *, engine: Engine | None = None, limits: Limits = LIMITS
) -> Generator[Made, None, None]:
    """Yield copies as they are made. A job that crashes, hangs or takes too much memory has none.

    Args:
        jobs: the copies to make.
        count, engine: how many are made side by side, and where, as `avsync.engine.do_jobs`.
        limits: of each.

    Raises:
        OSError: the folder cannot be written.
    """
    orders = iter(Job(job, str(job.source.path)) for job in jobs)
    events = do_jobs(Task(_work, limits, _read), partial(next, orders, None), count=count, engine=engine)
    with closing(events):
        for event in events:
            job: CopyJob = event.job.given
            if not isinstance(event, End):
                path, why = event.value
                yield Made(job, path, why)
            elif event.refusal is not None:
                yield Made(job, None, event.refusal.detail)


def _work() -> Work:
    """Runs in the worker."""

    def work(job: CopyJob, tell: Telling) -> Iterator[Answer]:
        tell.length_of(str(job.source.path))
        try:
            made = make_copy(job)
        except OSError as error:
            yield {"disk": [error.errno, error.strerror, error.filename]}, {}
        else:
            yield {"path": None if made.path is None else str(made.path), "why": made.why}, {}

    return work


def _read(data: dict[str, Any], _arrays: Held) -> tuple[Path | None, str]:
    if "disk" in data:
        raise OSError(*data["disk"])  # no fault of the clip: it ends the run
    return None if data["path"] is None else Path(data["path"]), str(data["why"])


def make_copy(job: CopyJob) -> Made:
    """Return one copy, made unless it is there. It appears under its name when it is whole.

    Raises:
        OSError: the folder cannot be written.
    """
    try:
        target = job.folder / slug(job.manipulation) / _key(job)
    except OSError as error:
        return Made(job, None, (error.strerror or "cannot be read").lower())
    try:
        there = next(target.parent.glob(f"{target.name}.*"), None)
        made = there or MANIPULATIONS[job.manipulation].make(job.source, target, random.Random(job.clip))
    except CannotManipulate as refusal:
        return Made(job, None, str(refusal))
    except CannotJudge as refusal:
        return Made(job, None, refusal.detail)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise OSError(error.errno, error.strerror, str(job.folder)) from error
        words = str(getattr(error, "strerror", None) or error).splitlines() or [type(error).__name__]
        return Made(job, None, words[0])
    return Made(job, made)


def slug(manipulation: str) -> str:
    """The name of a manipulation as the name of a folder."""
    return re.sub(r"[^\w.+-]+", "_", manipulation).strip("_")


def source_of(record: ClipRecord, others: Sequence[ClipRecord]) -> Source:
    """What copies of a clip are made of, with the sound of others."""
    return Source(record.path, record.audio, tuple(other.audio or other.path for other in others))


def _key(job: CopyJob) -> str:
    """A hash of all that decides what the copy holds."""
    source = job.source
    files = [source.path, *([] if source.audio is None else [source.audio])]
    parts = [str(RECIPES), job.manipulation, job.clip, *map(sha256_of, files), *(path.name for path in source.others)]
    return sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
