"""IsolatedDetector: files in, verdicts out, whatever the files do."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from math import isnan
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from avsync.errors import CannotJudge, UsageError
from avsync.isolation.pool import Job, Outcome, Pool, Run
from avsync.isolation.process import MB, Facts, InternalError, Limits, Worker
from avsync.progress import Stage

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

# What a worker makes, as "module:name"; tests put a stand-in here.
FACTORY = "avsync.detector:Detector"
_EVERY = 0.1  # seconds between two calls of `on_progress`

ForReport = Literal["figures", "media"]
Progress = Callable[[int, Stage, float, float], None]


class IsolatedDetector:
    """A `Detector` in worker processes, so that a file can take down nothing but its own worker.

    A worker that crashes, takes too long or takes too much memory is replaced, and its file gets the verdict
    "cannot_judge" with the reason `crashed`, `timed_out` or `out_of_memory`. Workers have no network where the system
    can close it (`facts.network_closed`), and end with this process, even if it is killed. They may read and write
    files as this process may. Close it, or use it in a `with` statement.

    Args:
        jobs: how many workers judge side by side; each loads the model.
        timeout: seconds that a file may take; None: 60 s and 5 s for each second of its length.
        max_memory: megabytes that a worker may hold. The parent looks ten times per second, so for a moment it can be
            more. Where it cannot look (only Linux shows it), the worker looks itself; on Windows nobody does.
        options: those of `Detector`.

    Attributes:
        reports: reports of the errors in avsync that files met, without personal data. Such files are `crashed`.

    Raises:
        UsageError: a limit is not positive.
    """

    def __init__(self, *, jobs: int = 1, timeout: float | None = None, max_memory: int = 4096, **options: Any) -> None:
        _check(jobs, timeout, max_memory)
        self.reports: list[str] = []
        plain = {name: os.fspath(value) if isinstance(value, Path) else value for name, value in options.items()}
        order = {"factory": FACTORY, "options": plain}
        limits = Limits(timeout, max_memory * MB)
        threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
        self._level = float(options.get("level", 0.05))
        self._pool = Pool(lambda: Worker(order, limits, threads), jobs)

    @property
    def facts(self) -> Facts:
        """What the first worker tells, as soon as its detector is made.

        Raises:
            UsageError: the options do not make a detector.
            AvsyncError, InternalError: a worker could not be started.
        """
        return self._pool.facts.result()

    def score_all(
        self,
        paths: Sequence[str | Path],
        *,
        keep: Collection[ForReport] = (),
        on_progress: Progress | None = None,
    ) -> "Iterator[Verdict]":
        """Yield a verdict for each file, in the order of `paths`.

        Several threads may each have an iterator. Closing one, or an error in `on_progress`, gives up its files: a
        worker that judges one is ended and replaced.

        Args:
            paths: the files.
            keep: what verdicts shall have for the report, as in `Detector.score`. Other arrays stay in the worker.
            on_progress: called with the place of a file in `paths`, the stage, the seconds it has done and the seconds
                of the file, for the files that are judged now; about ten times per second, in the thread that iterates.

        Raises:
            UsageError, AvsyncError, InternalError: as `facts`.
        """
        run = Run(keep)
        names = [str(path) for path in paths]
        for index, name in enumerate(names):
            self._pool.add(Job(index, name, run))
        waiting: dict[int, Outcome] = {}
        try:
            for index, name in enumerate(names):
                while index not in waiting:
                    try:
                        waiting.update([run.outcomes.get(timeout=_EVERY)])
                    except Empty:
                        if on_progress is not None:
                            for other, now in run.reading.copy().items():
                                on_progress(other, *now)
                yield self._verdict(name, waiting.pop(index))
        finally:
            self._pool.give_up(run)

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    def __enter__(self) -> "IsolatedDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _verdict(self, path: str, outcome: Outcome) -> "Verdict":
        from avsync.score.verdict import CheckResult, Verdict

        if isinstance(outcome, Verdict):
            return outcome
        if not isinstance(outcome, CannotJudge):
            raise outcome
        if isinstance(outcome.__cause__, InternalError):
            self.reports.append(outcome.__cause__.report)
        refused = CheckResult(reason=outcome.reason, detail=outcome.detail)
        return Verdict(
            path=path,
            verdict="cannot_judge",
            reason=outcome.reason,
            detail=outcome.detail,
            checks=dict.fromkeys(self.facts.checks, refused),
            level=self._level,
            model=self.facts.model,
            weights_sha256=self.facts.weights_sha256,
        )


def _check(jobs: int, timeout: float | None, max_memory: int) -> None:
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: must be at least 1")
    if timeout is not None and (isnan(timeout) or timeout <= 0):
        raise UsageError(f"--timeout {timeout:g}: must be more than 0 seconds")
    if max_memory < 1:
        raise UsageError(f"--max-memory {max_memory}: must be at least 1 MB")
