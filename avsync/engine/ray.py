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
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from threading import Lock
from typing import Any

import ray
from ray.exceptions import ObjectLostError, RayActorError, RayError

from avsync.engine.interface import Arrays, Held, InternalError, Job, Limits, Pickled, Progress, SeatLost, Task
from avsync.engine.local import Here, LocalSeat
from avsync.errors import AvsyncError, CannotJudge, Reason, UsageError

_STARTS = 3
_LOST = "a machine of the cluster was lost with a part of it; run again"


class RayEngine:
    """Seats on the machines of a cluster. Each has a core, or `Task.gpus`.

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
        _silence()

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

    def more(self, job: Job | None, arrays: "Arrays | None") -> "tuple[tuple[str, Any], Arrays | None]":
        """The next answer of the job: the first of a new one, if it is given; its arrays stay in Ray's store."""
        try:
            if job is not None:
                held = None if arrays is None else Here(arrays)
                self._answers = self._seat.do(replace(job, arrays=held), lambda *_: None)
            data, held = next(self._answers)
        except StopIteration:
            return ("done", None), None
        except Exception as error:
            return _told(error), None
        return ("answer", data), held.get()


class RaySeat:
    """An actor, seen from the process that drives the run (`Seat`)."""

    def __init__(self, task: Task, count: int) -> None:
        self._lock, self._closed = Lock(), False
        self._actor: Any = None
        arguments = (pickle.dumps(task.make), task.limits, 1, list(sys.path))
        cores = 0 if task.gpus else 1  # a GPU waits for the cores that decode, not the other way round
        actor: Any = ray.remote(num_cpus=cores, num_gpus=task.gpus)(Holder)
        self._start: Callable[[], Any] = partial(actor.remote, *arguments)

    def facts(self) -> dict[str, Any]:
        """See `Seat.facts`. It waits until the cluster has room for the actor."""
        for _ in range(_STARTS):
            actor = self._ready()
            try:
                facts = _plain(*ray.get(actor.facts.remote()))
            except RayActorError:
                self._lost(actor)
            else:
                return self._checked(facts)
        raise AvsyncError(f"an actor of Ray was lost {_STARTS} times before it was ready; see Ray's logs")

    def do(self, job: Job, on_progress: Progress) -> Iterator[tuple[dict[str, Any], There]]:
        """See `Seat.do`; there is no progress within a job."""
        actor = self._ready()
        sent = Job(Pickled(pickle.dumps(job.given)), job.path)
        order: tuple[Any, Any] = (sent, _reference(job.arrays))
        try:
            while True:
                told, made = actor.more.options(num_returns=2).remote(*order)
                kind, data = ray.get(told)
                if kind == "done":
                    return
                yield _plain(kind, data), There(made)
                order = (None, None)
        except RayActorError as error:
            self._lost(actor)
            raise SeatLost("its actor of Ray was lost") from error
        except ObjectLostError as error:
            raise CannotJudge(Reason.CRASHED, _LOST) from error

    def kill(self, *, for_good: bool = False) -> None:
        """See `Seat.kill`."""
        with self._lock:
            self._closed = self._closed or for_good
            if self._actor is not None:
                kill: Any = ray.kill
                kill(self._actor)
                self._actor = None

    def close(self) -> None:
        """See `Seat.close`."""
        self.kill(for_good=True)

    def _ready(self) -> Any:
        with self._lock:
            if self._closed:
                raise AvsyncError("the run was given up")
            if self._actor is None:
                self._actor = self._start()
            return self._actor

    def _lost(self, actor: Any) -> None:
        """The actor has ended."""
        with self._lock:
            if self._actor is actor:
                self._actor = None

    def _checked(self, facts: dict[str, Any]) -> dict[str, Any]:
        theirs, ours = facts.pop("avsync"), version("avsync")
        if theirs != ours:
            raise UsageError(f"--engine ray: the cluster has avsync {theirs}, this machine {ours}; install the same")
        return facts


def _silence() -> None:
    """Keep Ray from printing the end of actors on standard output, where results are. It has no option for it.

    Its function is private: where another version has none of this name, its words stay. They are in Ray's logs too.
    """
    with suppress(ImportError):
        from ray._private import worker

        if hasattr(worker, "print_to_stdstream"):
            worker.print_to_stdstream = lambda *_, **__: None


def _reference(held: Held | None) -> Any:
    """What Ray fetches to where the work is done."""
    if held is None:
        return None
    return held.reference if isinstance(held, There) else held.get()


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
