"""IsolatedDetector: files in, verdicts out, whatever the files do."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isnan
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from avsync.engine import LOCAL, MB, End, Engine, InternalError, Job, Limits, Pool, Run, Task
from avsync.errors import CannotJudge, UsageError
from avsync.isolation.judge import FileToJudge, make_judge, read_verdict
from avsync.progress import Stage

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

# What a worker makes, as "module:name"; tests put a stand-in here.
FACTORY = "avsync.detector:Detector"

ForReport = Literal["figures", "media"]
Progress = Callable[[int, Stage, float, float], None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker tells about its detector and itself.

    Attributes:
        model, weights_sha256: the name of the model, and the hash of its weights.
        calibration_sha256: the hash of what verdicts are compared with; empty without calibration.
        checks: the names of the checks.
        readings: the names of the readings, in the order of the checks.
        network_closed: whether the worker has no network; False where the system offers no way to close it.
    """

    model: str
    weights_sha256: str
    calibration_sha256: str
    checks: tuple[str, ...]
    readings: tuple[str, ...]
    network_closed: bool


class IsolatedDetector:
    """A `Detector` in worker processes, so that a file can take down nothing but its own worker.

    A worker that crashes, takes too long or takes too much memory is replaced, and its file gets the verdict
    "cannot_judge" with the reason `crashed`, `timed_out` or `out_of_memory`. Workers have no network where the system
    can close it (`facts.network_closed`), and end with this process, even if it is killed. They may read and write
    files as this process may. Close it, or use it in a `with` statement.

    Args:
        jobs: how many workers judge side by side; each loads the model.
        timeout: seconds that a file may take; None: 60 s and 5 s for each second of its length.
        max_memory: megabytes that a worker may hold, with the processes that it starts. The parent looks ten times per
            second, so for a moment it can be more. Where it cannot look (only Linux shows it), the worker looks itself;
            on Windows nobody does.
        engine: where the workers are, `avsync.engine.open_engine`.
        options: those of `Detector`.

    Attributes:
        reports: reports of the errors in avsync that files met, without personal data. Such files are `crashed`.

    Raises:
        UsageError: a limit is not positive.
    """

    def __init__(
        self,
        *,
        jobs: int = 1,
        timeout: float | None = None,
        max_memory: int = 4096,
        engine: Engine = LOCAL,
        **options: Any,
    ) -> None:
        _check(jobs, timeout, max_memory)
        self.reports: list[str] = []
        plain = {name: os.fspath(value) if isinstance(value, Path) else value for name, value in options.items()}
        gpus = 1.0 if str(options.get("device")).startswith("cuda") else 0.0
        task = Task(partial(make_judge, FACTORY, plain), Limits(timeout, max_memory * MB), read_verdict, gpus)
        self._level = float(options.get("level", 0.05))
        self._pool = Pool(engine, task, jobs, at_once=True)

    @property
    def facts(self) -> Facts:
        """What the first worker tells, as soon as its detector is made.

        Raises:
            UsageError: the options do not make a detector.
            AvsyncError, InternalError: a worker could not be started.
        """
        given = self._pool.facts.result()
        readings = [name for check in given["checks"] for name in given["readings"].get(check, ())]
        return Facts(
            model=given["model"],
            weights_sha256=given["weights_sha256"],
            calibration_sha256=given["calibration_sha256"],
            checks=tuple(given["checks"]),
            readings=tuple(dict.fromkeys(readings)),
            network_closed=given["network_closed"],
        )

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
        waiting: dict[int, Verdict] = {}
        due = 0
        for index, verdict in self.score_each(paths, keep=keep, on_progress=on_progress):
            waiting[index] = verdict
            while due in waiting:
                yield waiting.pop(due)
                due += 1

    def score_each(
        self,
        paths: Sequence[str | Path],
        *,
        audio: Sequence[Path | None] | None = None,
        keep: Collection[ForReport] = (),
        on_progress: Progress | None = None,
    ) -> "Iterator[tuple[int, Verdict]]":
        """Yield the place of each file and its verdict, as soon as it is there; otherwise as `score_all`.

        Args:
            paths, keep, on_progress: as `score_all`.
            audio: of each file, the sound file beside it, if there is one.
        """
        sounds = audio or [None] * len(paths)
        jobs = (
            Job(FileToJudge(str(path), None if sound is None else str(sound), tuple(keep)), str(path), place)
            for place, (path, sound) in enumerate(zip(paths, sounds, strict=True))
        )

        def tell(run: Run) -> None:
            if on_progress is not None:
                for place, now in run.reading.copy().items():
                    on_progress(place, *now)

        verdicts: dict[int, Verdict] = {}
        for event in self._pool.map(jobs, on_wait=tell):
            place = event.job.place
            if not isinstance(event, End):
                verdicts[place] = event.value
            elif event.refusal is not None:
                yield place, self._refused(event.job.path, event.refusal)
            else:
                yield place, replace(verdicts.pop(place), path=event.job.path)

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    def __enter__(self) -> "IsolatedDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _refused(self, path: str, refusal: CannotJudge) -> "Verdict":
        from avsync.score.verdict import CheckResult, Verdict

        if isinstance(refusal.__cause__, InternalError):
            self.reports.append(refusal.__cause__.report)
        refused = CheckResult(reason=refusal.reason, detail=refusal.detail)
        return Verdict(
            path=path,
            verdict="cannot_judge",
            reason=refusal.reason,
            detail=refusal.detail,
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
