"""Manipulated copies of clips: made by workers, under names that say what they hold, and taken up again."""

import errno
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import av

from avsync.datasets.record import ClipRecord
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


def make_copy(job: CopyJob) -> Iterator[Made]:
    """Yield one copy, made unless it is there. It appears under its name when it is whole.

    Raises:
        OSError: the folder cannot be written.
    """
    try:
        target = job.folder / slug(job.manipulation) / _key(job)
    except OSError as error:
        yield Made(job, None, (error.strerror or "cannot be read").lower())
        return
    try:
        there = next(target.parent.glob(f"{target.name}.*"), None)
        made = there or MANIPULATIONS[job.manipulation].make(job.source, target, random.Random(job.clip))
    except CannotManipulate as refusal:
        yield Made(job, None, str(refusal))
    except CannotJudge as refusal:
        yield Made(job, None, refusal.detail)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise OSError(error.errno, error.strerror, str(job.folder)) from error
        words = str(getattr(error, "strerror", None) or error).splitlines() or [type(error).__name__]
        yield Made(job, None, words[0])
    else:
        yield Made(job, made)


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
