"""Jobs done by an engine, or in this process."""

from collections.abc import Callable, Generator

from avsync.engine.interface import MB, Engine, Job, Limits, Task
from avsync.engine.local import LOCAL, Here
from avsync.engine.pool import End, Pool, Result
from avsync.errors import CannotJudge
from avsync.progress import Stage

LIMITS = Limits(None, 4096 * MB)


def do_jobs(
    task: Task,
    next_job: Callable[[], Job | None],
    *,
    count: int,
    engine: Engine | None = None,
    room: int | None = None,
) -> Generator[Result | End, None, None]:
    """Yield the results of jobs as they come, those of one job in their order, and its end.

    Args:
        task: the work.
        next_job: returns the next job, None if there is none now. It is asked again after every result.
        count: how many jobs are done side by side.
        engine: where; None: processes on this machine, and for one job at a time this process, without limits.
        room: how many results may wait to be taken; None: any number.

    Raises:
        UsageError, AvsyncError, InternalError: a process could not be started.
    """
    if engine is None and count == 1:
        yield from _here(task, next_job)
    else:
        with Pool(engine or LOCAL, task, count) as pool:
            yield from pool.run(next_job, room=room)


def _here(task: Task, next_job: Callable[[], Job | None]) -> Generator[Result | End, None, None]:
    """Do jobs in this process: an error in one is an error of the run."""
    work = task.make()
    while (job := next_job()) is not None:
        given = job.given if job.arrays is None else (job.given, job.arrays.get())
        try:
            for data, arrays in work(given, _Silent()):
                yield Result(job, task.read(data, Here(arrays)))
        except CannotJudge as refusal:
            yield End(job, refusal)
        else:
            yield End(job)


class _Silent:
    """Takes no notice (`Telling`)."""

    def length_of(self, path: str) -> None: ...

    def progress(self, stage: Stage, seconds: float, total: float) -> None: ...
