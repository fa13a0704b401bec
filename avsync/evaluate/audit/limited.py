"""Files measured in worker processes with limits of time and memory: a file can end nothing but its own process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from avsync.engine import LIMITS, LOCAL, Answer, End, Engine, Held, Job, Limits, Task, Telling, Work, do_jobs
from avsync.errors import Reason
from avsync.evaluate.audit.facts import Value
from avsync.evaluate.json_files import plain


@dataclass(frozen=True, slots=True)
class File:
    """A file to be measured, and the sound file beside it, if there is one."""

    path: Path
    audio: Path | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a file was not measured."""

    reason: Reason
    detail: str


Measure = Callable[[Path, Path | None], dict[str, Value]]
Outcome = dict[str, Value] | Refused


def measure_all(
    files: Sequence[File],
    make: Callable[[], Measure],
    jobs: int,
    engine: Engine = LOCAL,
    limits: Limits = LIMITS,
) -> Iterator[tuple[int, Outcome]]:
    """Yield the place of each file and its facts, as they come.

    Args:
        files: the files.
        make: makes the function that measures, in a worker; it can be pickled.
        jobs: how many processes work side by side.
        engine: where they work.
        limits: of a file.
    """
    orders = iter(Job(file, str(file.path), place) for place, file in enumerate(files))
    task = Task(partial(_work, make), limits, _read)
    facts: dict[int, dict[str, Value]] = {}
    for event in do_jobs(task, partial(next, orders, None), count=jobs, engine=engine):
        place = event.job.place
        if not isinstance(event, End):
            facts[place] = event.value
        elif event.refusal is not None:
            yield place, Refused(event.refusal.reason, event.refusal.detail)
        else:
            yield place, facts.pop(place)


def _work(make: Callable[[], Measure]) -> Work:
    """Runs in the worker."""
    measure = make()

    def work(file: File, _tell: Telling) -> Iterator[Answer]:
        yield plain(measure(file.path, file.audio)), {}

    return work


def _read(data: dict[str, Any], _arrays: Held) -> dict[str, Value]:
    if not all(isinstance(one, str | float | int | None) for one in data.values()):
        raise ValueError("no facts")
    return cast(dict[str, Value], data)
