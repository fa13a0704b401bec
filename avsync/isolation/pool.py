"""Several workers, each with a thread that hands it one file after another."""

import signal
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, TypeAlias

from avsync.errors import CannotJudge
from avsync.isolation.process import Facts, Worker, WorkerDied

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

_EVERY = 0.1  # seconds between two looks at the limits

Outcome: TypeAlias = "Verdict | BaseException"  # a CannotJudge becomes a verdict, another error ends the run


class Run:
    """Files that belong together.

    Attributes:
        outcomes: the place of a file among them, and its outcome, as they come.
        reading: by place of a file that is read now, the seconds read and those of the file.
    """

    def __init__(self) -> None:
        self.outcomes: SimpleQueue[tuple[int, Outcome]] = SimpleQueue()
        self.reading: dict[int, tuple[float, float]] = {}


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
        self._lock, self._closed = Lock(), Event()
        # The kernel kills a worker when the thread that started it ends, so these threads last as long as the pool.
        self._slots = [Thread(target=self._serve, args=(slot == 0,), daemon=True) for slot in range(jobs)]
        for thread in (*self._slots, Thread(target=self._guard, daemon=True)):
            thread.start()

    def add(self, job: Job) -> None:
        """Have a file judged: its outcome goes to the outcomes of its run."""
        self._jobs.put(job)

    def drop_waiting(self) -> None:
        """Forget the files that no worker has begun."""
        with suppress(Empty):
            while True:
                self._jobs.get_nowait()

    def close(self) -> None:
        """End all workers."""
        self._closed.set()
        self.drop_waiting()
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
                outcome: Outcome
                try:
                    if worker is None or not worker.usable:
                        self._end(worker)
                        worker = None
                        worker = self._started()
                    outcome = _outcome(worker, job)
                except BaseException as error:
                    outcome = error
                job.run.reading.pop(job.index, None)
                job.run.outcomes.put((job.index, outcome))
        finally:
            self._end(worker)

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
        return worker.judge(job.path, lambda *seconds: job.run.reading.update({job.index: seconds}))
    except WorkerDied as death:
        return CannotJudge(death.reason, death.words)
    except CannotJudge as refusal:
        return refusal
