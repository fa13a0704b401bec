"""Several workers, each with a thread that hands it one file after another."""

import signal
from collections.abc import Callable, Collection
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, TypeAlias

from avsync.errors import CannotJudge
from avsync.isolation.process import Facts, Worker, WorkerDied
from avsync.progress import Stage

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

_EVERY = 0.1  # seconds between two looks at the limits

Outcome: TypeAlias = "Verdict | BaseException"  # a CannotJudge becomes a verdict, another error ends the run


class Run:
    """Files that belong together.

    Attributes:
        keep: what verdicts shall have for the report, as in `IsolatedDetector.score_all`.
        outcomes: the place of a file among them, and its outcome, as they come.
        reading: by place of a file that is read now, the stage, the seconds it has done, and those of the file.
        given_up: whether nobody waits for the files any more.
    """

    def __init__(self, keep: Collection[str] = ()) -> None:
        self.keep = tuple(keep)
        self.outcomes: SimpleQueue[tuple[int, Outcome]] = SimpleQueue()
        self.reading: dict[int, tuple[Stage, float, float]] = {}
        self.given_up = False


@dataclass(frozen=True)
class Job:
    """A file, and its place in a run."""

    index: int
    path: str
    run: Run


class Pool:
    """Workers that start when there are files for them; the first starts at once.

    Attributes:
        facts: of the first worker, or the error of its start.
    """

    def __init__(self, start: Callable[[], Worker], jobs: int) -> None:
        self.facts = Future[Facts]()
        self._start = start
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._workers = set[Worker]()
        self._at_work: dict[Worker, Run] = {}
        self._lock, self._closed = Lock(), Event()
        # The kernel kills a worker when the thread that started it ends, so these threads last as long as the pool.
        self._slots = [Thread(target=self._serve, args=(slot == 0,), daemon=True) for slot in range(jobs)]
        for thread in (*self._slots, Thread(target=self._guard, daemon=True)):
            thread.start()

    def add(self, job: Job) -> None:
        """Have a file judged: its outcome goes to the outcomes of its run."""
        self._jobs.put(job)

    def give_up(self, run: Run) -> None:
        """Forget the files of a run that no worker has begun, and end the workers that judge one."""
        with self._lock:
            run.given_up = True
            for worker, of in self._at_work.items():
                if of is run:
                    worker.kill()

    def close(self) -> None:
        """End all workers."""
        self._closed.set()
        with suppress(Empty):
            while True:
                self._jobs.get_nowait()
        with self._lock:
            for worker in self._workers:
                worker.kill()
        for _ in self._slots:
            self._jobs.put(None)
        for slot in self._slots:
            slot.join()

    def _serve(self, at_once: bool) -> None:
        if hasattr(signal, "pthread_sigmask"):  # for the workers, which inherit it: Ctrl-C is for this process
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: Worker | None = None
        try:
            if at_once:
                with suppress(BaseException):  # it is in `facts`
                    worker = self._started()
            while (job := self._jobs.get()) is not None:
                if job.run.given_up:
                    continue
                outcome: Outcome
                job.run.reading[job.index] = ("opening", 0.0, 0.0)
                try:
                    if worker is None or not worker.usable:
                        self._end(worker)
                        worker = None
                        worker = self._started()
                    outcome = self._judge(worker, job)
                except BaseException as error:
                    outcome = error
                job.run.reading.pop(job.index, None)
                job.run.outcomes.put((job.index, outcome))
        finally:
            self._end(worker)

    def _judge(self, worker: Worker, job: Job) -> Outcome:
        """Have a file judged by a worker that ends when its run is given up."""
        with self._lock:
            self._at_work[worker] = job.run
            if job.run.given_up:
                worker.kill()
        try:
            return _outcome(worker, job)
        finally:
            with self._lock:
                del self._at_work[worker]

    def _started(self) -> Worker:
        worker = None
        try:
            worker = self._start()
            with self._lock:
                self._workers.add(worker)
                if self._closed.is_set():
                    worker.kill()
            facts = worker.facts()
        except BaseException as error:
            self._end(worker)
            with suppress(InvalidStateError):
                self.facts.set_exception(error)
            raise
        with suppress(InvalidStateError):
            self.facts.set_result(facts)
        return worker

    def _end(self, worker: Worker | None) -> None:
        if worker is not None:
            worker.close()
            with self._lock:
                self._workers.discard(worker)

    def _guard(self) -> None:
        while not self._closed.wait(_EVERY):
            with self._lock:
                for worker in self._workers:
                    worker.enforce()


def _outcome(worker: Worker, job: Job) -> Outcome:
    try:
        return worker.judge(job.path, job.run.keep, lambda *now: job.run.reading.update({job.index: now}))
    except WorkerDied as death:
        return CannotJudge(death.reason, death.words)
    except CannotJudge as refusal:
        return refusal
