"""Worker processes on the machines of a Ray cluster.

An actor for each seat holds the same process that a seat on this machine has (`avsync.engine.local`): a file that
crashes, hangs or fills its process costs its own job, and the actor goes on. An actor that is lost, with its machine or
alone, is replaced, and its job is done again: what it had given of it is not given twice.

Plain actors, not Ray Data's `map_batches`: that does a block of rows again when its actor is lost, so that a file that
ends every actor would end the run, and it hands on results by blocks, where a clip that is done should be kept at once.
"""

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from threading import Lock
from typing import Any

import ray
from ray.exceptions import ObjectLostError, RayActorError, RayError

from avsync.engine.interface import Arrays, InternalError, Job, Limits, Progress, Task
from avsync.engine.local import Here, LocalSeat
from avsync.errors import AvsyncError, CannotJudge, Reason, UsageError

# A job whose actor was lost so many times is refused.
_TRIES = 3
_LOST = "a machine of the cluster was lost with a part of it; run again"


class RayEngine:
    """Seats on the machines of a cluster. One core is reserved for each, and `Task.gpus`.

    Args:
        address: of the cluster, "ray://HOST:PORT"; None: the one that RAY_ADDRESS names or that runs here, or a new
            one.

    Raises:
        UsageError: no cluster answers.
    """

    def __init__(self, address: str | None = None) -> None:
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody
            os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # on a busy machine 30 s are too few
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RayError, ValueError, TimeoutError) as error:
                where = address or os.environ.get("RAY_ADDRESS") or "this machine"
                raise UsageError(f"--engine ray: no cluster answers at {where} ({_line(error)})") from error

    def seat(self, task: Task, count: int) -> "RaySeat":
        """See `Engine.seat`."""
        return RaySeat(task, count)


@dataclass(frozen=True, slots=True)
class There:
    """Arrays in Ray's store, on the machine where they were made (`Held`)."""

    reference: "ray.ObjectRef[Arrays]"

    def get(self) -> Arrays:
        """The arrays by name, fetched to this machine.

        Raises:
            CannotJudge: `crashed`: they were lost with their machine.
        """
        try:
            return ray.get(self.reference)
        except (ObjectLostError, RayActorError) as error:
            raise CannotJudge(Reason.CRASHED, _LOST) from error


class Holder:
    """The actor: a seat on its machine, spoken to through methods that return plain data."""

    def __init__(self, make: bytes, limits: Limits, threads: int, paths: Sequence[str]) -> None:
        self._seat = LocalSeat(make, limits, threads, paths)
        self._answers: Iterator[Any] = iter(())

    def facts(self) -> tuple[str, Any]:
        """What the process tells of itself, or the error of its start."""
        try:
            return "facts", {**self._seat.facts(), "avsync": version("avsync")}
        except Exception as error:
            return _told(error)

    def more(self, given: bytes | None, arrays: "Arrays | None") -> "tuple[tuple[str, Any], Arrays | None]":
        """The next answer of the job: the first of a new one, if it is given; its arrays stay in Ray's store."""
        try:
            if given is not None:
                job = replace(pickle.loads(given), arrays=None if arrays is None else Here(arrays))
                self._answers = self._seat.do(job, lambda *_: None)
            data, held = next(self._answers)
        except StopIteration:
            return ("done", None), None
        except Exception as error:
            return _told(error), None
        return ("answer", data), held.get()


class RaySeat:
    """An actor, seen from the process that drives the run (`Seat`)."""

    def __init__(self, task: Task, count: int) -> None:
        self._lock, self._closed, self._killed = Lock(), False, False
        self._actor: Any = None
        arguments = (pickle.dumps(task.make), task.limits, 1, list(sys.path))
        actor: Any = ray.remote(num_cpus=1, num_gpus=task.gpus)(Holder)
        self._start: Callable[[], Any] = partial(actor.remote, *arguments)

    def facts(self) -> dict[str, Any]:
        """See `Seat.facts`."""
        for _ in range(_TRIES):
            try:
                facts = _plain(*ray.get(self._ready().facts.remote()))
            except RayActorError as error:
                self._lost(error)
            else:
                return self._checked(facts)
        raise AvsyncError(f"an actor of Ray was lost {_TRIES} times before it was ready; see Ray's logs")

    def do(self, job: Job, on_progress: Progress) -> Iterator[tuple[dict[str, Any], There]]:
        """See `Seat.do`; there is no progress within a job."""
        given = pickle.dumps(replace(job, arrays=None))
        arrays = job.arrays.reference if isinstance(job.arrays, There) else job.arrays and job.arrays.get()
        taken = 0
        for _ in range(_TRIES):
            skip = taken
            try:
                order: tuple[Any, Any] = (given, arrays)
                actor = self._ready()
                while True:
                    told, made = actor.more.options(num_returns=2).remote(*order)
                    kind, data = ray.get(told)
                    order = (None, None)
                    if kind == "done":
                        return
                    answer = _plain(kind, data)
                    if skip:
                        skip -= 1
                        continue
                    taken += 1
                    yield answer, There(made)
            except RayActorError as error:
                self._lost(error)
            except ObjectLostError as error:
                raise CannotJudge(Reason.CRASHED, _LOST) from error
        raise CannotJudge(Reason.CRASHED, f"its actor of Ray was lost {_TRIES} times")

    def kill(self, *, for_good: bool = False) -> None:
        """See `Seat.kill`."""
        with self._lock:
            self._closed = self._closed or for_good
            self._killed = True
            if self._actor is not None:
                kill: Any = ray.kill
                kill(self._actor)

    def close(self) -> None:
        """See `Seat.close`."""
        self.kill(for_good=True)

    def _ready(self) -> Any:
        with self._lock:
            if self._closed:
                raise AvsyncError("the run was given up")
            if self._actor is None or self._killed:
                self._actor, self._killed = self._start(), False
            return self._actor

    def _lost(self, error: RayActorError) -> None:
        """The actor has ended: we killed it, or it is to be replaced."""
        with self._lock:
            if self._killed:
                raise CannotJudge(Reason.CRASHED, "the run was given up") from error
            self._actor = None

    def _checked(self, facts: dict[str, Any]) -> dict[str, Any]:
        theirs, ours = facts.pop("avsync"), version("avsync")
        if theirs != ours:
            raise UsageError(f"--engine ray: the cluster has avsync {theirs}, this machine {ours}; install the same")
        return facts


def _told(error: Exception) -> tuple[str, Any]:
    """An error as plain data."""
    match error:
        case CannotJudge():
            cause = error.__cause__
            return "refused", (error.reason, error.detail, cause.report if isinstance(cause, InternalError) else None)
        case UsageError():
            return "usage", str(error)
        case InternalError():
            return "internal", error.report
        case _:
            return "error", f"{type(error).__name__}: {error}"


def _plain(kind: str, data: Any) -> dict[str, Any]:
    """What `_told` was told.

    Raises:
        CannotJudge, UsageError, InternalError, AvsyncError: what it was told of.
    """
    match kind:
        case "answer" | "facts":
            return dict(data)
        case "refused":
            reason, detail, report = data
            raise CannotJudge(Reason(reason), detail) from (None if report is None else InternalError(report))
        case "usage":
            raise UsageError(data)
        case "internal":
            raise InternalError(data)
    raise AvsyncError(str(data))


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
