"""Several seats, each with a thread that hands it one job after another."""

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Condition, Semaphore, Thread
from types import TracebackType
from typing import Any

from avsync.engine.interface import Engine, Job, Seat, SeatLost, Task
from avsync.errors import CannotJudge, Reason
from avsync.progress import Stage

_EVERY = 0.1  # seconds between two calls of `on_wait`, and two attempts to end a job that is given up
# So many jobs of a run are handed out for each seat: one that is done, and one that waits, so that no seat is idle.
_AHEAD = 2
# A job that lost its seat so often is refused: it may be the cause.
_LOSSES = 3


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a job, as `Task.read` makes it."""

    job: Job
    value: Any


@dataclass(frozen=True, slots=True)
class End:
    """The end of a job; `refusal`: why it has no result, or none any more."""

    job: Job
    refusal: CannotJudge | None = None


@dataclass
class Run:
    """Jobs that belong together.

    Attributes:
        events: what comes of them; an exception ends the run.
        reading: what is done now: by place of a job, the stage, the seconds done and those of its file.
        room: how many results may wait to be taken; None: any number.
        given_up: whether nobody waits for the jobs any more.
    """

    room: Semaphore | None
    events: SimpleQueue[Result | End | BaseException] = field(default_factory=SimpleQueue)
    reading: dict[int, tuple[Stage, float, float]] = field(default_factory=dict)
    given_up: bool = False


class Pool:
    """Seats for a task; a process starts when there is a job for it. Close it, or use it in a `with` statement.

    Args:
        engine: gives the seats.
        task: the work.
        count: how many jobs are done side by side.
        at_once: let the first process start now.

    Attributes:
        facts: what the first process tells of itself, or the error of its start.
    """

    def __init__(self, engine: Engine, task: Task, count: int, *, at_once: bool = False) -> None:
        self.facts = Future[dict[str, Any]]()
        self._read, self._count = task.read, count
        self._jobs = _Queue()
        self._seats = [engine.seat(task, count) for _ in range(count)]
        self._at_work: dict[Seat, Run] = {}
        self._changed = Condition()  # guards `_at_work`
        # The kernel kills a worker when the thread that started it ends, so these threads last as long as the pool.
        self._threads = [
            Thread(target=self._serve, args=(seat, at_once and number == 0), daemon=True)
            for number, seat in enumerate(self._seats)
        ]
        for thread in self._threads:
            thread.start()

    def map(
        self, jobs: Iterable[Job], *, room: int | None = None, on_wait: Callable[[Run], None] | None = None
    ) -> Generator[Result | End, None, None]:
        """Yield the results of jobs as they come, those of one job in their order, and its end; as `run`."""
        return self.run(partial(next, iter(jobs), None), room=room, on_wait=on_wait)

    def run(
        self,
        next_job: Callable[[], Job | None],
        *,
        room: int | None = None,
        on_wait: Callable[[Run], None] | None = None,
    ) -> Generator[Result | End, None, None]:
        """Yield the results of jobs as they come, those of one job in their order, and its end.

        Several threads may each have a run. Closing the generator gives up its jobs: those that are done now are ended,
        and their processes replaced.

        Args:
            next_job: returns the next job, None if there is none now. It is asked again after every result.
            room: how many results may wait to be taken; beyond, jobs wait, so that memory does not grow.
            on_wait: called about ten times per second while nothing comes.

        Raises:
            UsageError, AvsyncError, InternalError: a process could not be started.
        """
        run, open_jobs = Run(None if room is None else Semaphore(room)), 0
        try:
            while True:
                while open_jobs < _AHEAD * self._count and (job := next_job()) is not None:
                    self._jobs.put(_Order(job, run))
                    open_jobs += 1
                if not open_jobs:
                    return
                event = _next(run, on_wait)
                if isinstance(event, BaseException):
                    raise event
                open_jobs -= isinstance(event, End)
                yield event
        finally:
            self._give_up(run)

    def close(self) -> None:
        """End all processes."""
        self._jobs.clear()
        with self._changed:
            runs = list(self._at_work.values())
        for run in runs:
            self._give_up(run)
        for seat in self._seats:
            seat.kill(for_good=True)
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _give_up(self, run: Run) -> None:
        """Forget the jobs of a run that nobody has begun, and end the processes that do one.

        If a process is ended just before it gets its job, a new one is started for it. So processes are ended until
        no job of the run is left.
        """
        with self._changed:
            run.given_up = True
            if run.room is not None:
                run.room.release(len(self._seats))
            while at_work := [seat for seat, of in self._at_work.items() if of is run]:
                for seat in at_work:
                    seat.kill()
                self._changed.wait(_EVERY)

    def _serve(self, seat: Seat, at_once: bool) -> None:
        if hasattr(signal, "pthread_sigmask"):  # for the processes, which inherit it: Ctrl-C is for this one
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        ready = False
        try:
            if at_once:
                ready = self._start(seat) is None  # an error is in `facts`
            while (order := self._jobs.get()) is not None:
                if not ready:
                    # It may take long, on a busy cluster for ever: meanwhile others can do the job.
                    self._jobs.put_back(order)
                    error = self._start(seat)
                    ready = error is None
                    if (order := self._jobs.get()) is None:
                        break
                    if error is not None:
                        order.run.events.put(error)
                        continue
                ready = self._do(seat, order)
        finally:
            seat.close()

    def _start(self, seat: Seat) -> BaseException | None:
        """Wait until a seat is ready, and tell what it is like; return why it cannot be."""
        try:
            facts = seat.facts()
        except BaseException as error:
            with suppress(InvalidStateError):
                self.facts.set_exception(error)
            return error
        with suppress(InvalidStateError):
            self.facts.set_result(facts)
        return None

    def _do(self, seat: Seat, order: "_Order") -> bool:
        """Do a job; return whether the seat is still there."""
        job, run = order.job, order.run
        with self._changed:
            if run.given_up:
                return True
            self._at_work[seat] = run
        run.reading[job.place] = ("opening", 0.0, 0.0)
        end: End | BaseException
        try:
            self._take_results(seat, order)
            end = End(job)
        except CannotJudge as refusal:
            end = End(job, refusal)
        except SeatLost as lost:
            order.losses += 1
            if order.losses < _LOSSES and not run.given_up:
                self._jobs.put_back(order)
                return False
            end = End(job, CannotJudge(Reason.CRASHED, f"{lost}, {order.losses} times"))
        except BaseException as error:
            end = error
        finally:
            with self._changed:
                del self._at_work[seat]
                self._changed.notify_all()
            run.reading.pop(job.place, None)
        run.events.put(end)
        return True

    def _take_results(self, seat: Seat, order: "_Order") -> None:
        """Hand on the results of a job, but not those that it gave on another seat before."""
        job, run = order.job, order.run

        def tell(stage: Stage, seconds: float, total: float) -> None:
            run.reading[job.place] = (stage, seconds, total)

        for number, (data, arrays) in enumerate(seat.do(job, tell)):
            if number < order.taken:
                continue
            if run.room is not None:
                run.room.acquire()
            if run.given_up:
                return
            try:
                result = Result(job, self._read(data, arrays))
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                seat.kill()
                raise CannotJudge(Reason.CRASHED, "the worker process sent something that is no result") from error
            order.taken += 1
            run.events.put(result)


@dataclass
class _Order:
    """A job of a run, how many of its results were taken, and how often its seat was lost."""

    job: Job
    run: Run
    taken: int = 0
    losses: int = 0


class _Queue:
    """Jobs that wait; None ends a thread that takes it."""

    def __init__(self) -> None:
        self._orders = deque[_Order | None]()
        self._changed = Condition()

    def put(self, order: _Order | None) -> None:
        with self._changed:
            self._orders.append(order)
            self._changed.notify()

    def put_back(self, order: _Order) -> None:
        with self._changed:
            self._orders.appendleft(order)
            self._changed.notify()

    def get(self) -> _Order | None:
        with self._changed:
            self._changed.wait_for(lambda: self._orders)
            return self._orders.popleft()

    def clear(self) -> None:
        with self._changed:
            self._orders.clear()


def _next(run: Run, on_wait: Callable[[Run], None] | None) -> Result | End | BaseException:
    while True:
        try:
            event = run.events.get(timeout=_EVERY)
        except Empty:
            if on_wait is not None:
                on_wait(run)
        else:
            if run.room is not None and isinstance(event, Result):
                run.room.release()
            return event
