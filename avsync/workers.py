"""Processes that work on jobs side by side. A job gives any number of results, and memory stays bounded."""

import pickle
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from traceback import format_exc
from typing import Any, TypeVar, cast

import torch

from avsync.errors import AvsyncError
from avsync.processes import run_pickled

Result = TypeVar("Result")


def run_jobs(
    work: Callable[[Any], Iterable[Result]], next_job: Callable[[], Any], count: int
) -> Generator[Result, None, None]:
    """Yield the results of all jobs as they come; those of one job in their order.

    A worker goes on with its work when its last result is taken, so that memory does not grow if results are taken
    slowly.

    Args:
        work: what to do with a job. It can be pickled, as jobs and results can.
        next_job: returns the next job, None if there is none now. It is asked again after every result.
        count: processes, at most; 1 works in this one. They start when there are jobs for them.

    Raises:
        AvsyncError: a process died.
    """
    if count == 1:
        while (job := next_job()) is not None:
            yield from work(job)
        return
    pool = _Pool(work, count)
    try:
        while True:
            while pool.has_room() and (job := next_job()) is not None:
                pool.send(job)
            if not pool.busy:
                return
            yield from pool.results()
    finally:
        pool.close()


class _Pool:
    """The processes, each at the other end of a connection. `busy`: those that have a job."""

    def __init__(self, work: Callable[[Any], Iterable[Any]], count: int) -> None:
        self.busy = set[Connection]()
        self._idle = list[Connection]()
        self._work, self._count = work, count
        self._processes: dict[Connection, BaseProcess] = {}

    def has_room(self) -> bool:
        return len(self.busy) < self._count

    def send(self, job: Any) -> None:
        connection = self._idle.pop() if self._idle else self._started()
        self.busy.add(connection)
        try:
            connection.send(job)
        except OSError as error:
            raise _died() from error

    def results(self) -> Generator[Any, None, None]:
        """At least one result, or the end of a job."""
        for connection in cast(list[Connection], wait(list(self.busy))):
            try:
                kind, result = connection.recv()
            except (EOFError, OSError) as error:
                raise _died() from error
            match kind:
                case "result":
                    yield result
                case "error":
                    raise result
                case "done":
                    self.busy.remove(connection)
                    self._idle.append(connection)

    def close(self) -> None:
        for connection, process in self._processes.items():
            connection.close()
            process.terminate()
            process.join()

    def _started(self) -> Connection:
        context = get_context("spawn")  # forked processes would inherit torch's threads, and hang
        ours, theirs = context.Pipe()
        in_main = threading.current_thread() is threading.main_thread()
        serve = pickle.dumps(partial(_serve, work=self._work))
        process = context.Process(target=run_pickled, args=(serve, in_main, theirs), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        return ours


def _died() -> AvsyncError:
    return AvsyncError("a worker process died, perhaps for lack of memory; try again with fewer workers")


def _serve(connection: Connection, work: Callable[[Any], Iterable[Any]]) -> None:
    """The life of a worker: it ends when the main process closes its end of the connection, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends this one
    torch.set_num_threads(1)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = connection.recv()
            try:
                for result in work(job):
                    connection.send(("result", result))
            except Exception as error:
                error.add_note(format_exc())
                connection.send(("error", error))
            connection.send(("done", None))
