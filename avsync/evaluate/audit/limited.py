"""Files measured in worker processes with limits of time and memory: a file can end nothing but its own process.

Workers answer in JSON, not in pickles: whoever takes over a worker by a hostile file must not run code in the process
that reads its answers.
"""

import json
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import cast

from avsync.errors import CannotJudge, Reason
from avsync.evaluate.audit.facts import Value
from avsync.processes import run_pickled

# A file has these seconds, and one more for each of so many bytes.
_LEAST, _BYTES_PER_SECOND = 60.0, 500_000
_MAX_MEMORY = 4_000_000_000  # bytes
_START = 120.0  # s; loading the libraries from a slow disk
_EVERY = 0.1  # s between two looks at the limits
_LONGEST = 1_000_000  # bytes of an answer


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
    files: Sequence[File], make: Callable[[], Measure], jobs: int, seconds: float | None = None
) -> Iterator[tuple[int, Outcome]]:
    """Yield the place of each file and its facts, as they come.

    Args:
        files: the files.
        make: makes the function that measures, in a worker; it can be pickled.
        jobs: how many processes work side by side.
        seconds: what a file may take; None: by its size.
    """
    waiting = list(enumerate(files))[::-1]
    workers = list[_Worker]()
    try:
        while waiting or any(worker.place is not None for worker in workers):
            workers = [worker for worker in workers if worker.place is not None or worker.alive]
            while waiting and len(workers) < jobs:
                workers.append(_Worker(make))
            for worker in workers:
                if waiting and worker.place is None:
                    worker.take(*waiting.pop(), seconds)
            wait([worker.connection for worker in workers], timeout=_EVERY)
            for worker in workers:
                outcome = worker.outcome()
                if outcome is not None:
                    place, worker.place = worker.place, None
                    assert place is not None
                    yield place, outcome
    finally:
        for worker in workers:
            worker.close()


@dataclass
class _Worker:
    """A process, seen from the one that started it. `place`: of the file that it measures."""

    make: Callable[[], Measure]
    place: int | None = None
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        context = get_context("spawn")  # forked processes would inherit threads, and hang
        self.connection, theirs = context.Pipe()
        in_main = threading.current_thread() is threading.main_thread()
        serve = pickle.dumps(partial(_serve, make=self.make))
        self._process: BaseProcess = context.Process(target=run_pickled, args=(serve, in_main, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._deadline, self._starting = 0.0, True

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def take(self, place: int, file: File, seconds: float | None) -> None:
        """Begin with a file."""
        self.place = place
        allowed = seconds or _LEAST + _size(file.path) / _BYTES_PER_SECOND
        self._deadline = monotonic() + allowed + (_START if self._starting else 0.0)
        self._starting = False
        names = [str(file.path), None if file.audio is None else str(file.audio)]
        with suppress(OSError):  # `outcome` finds out that the process has ended
            self.connection.send_bytes(json.dumps(names).encode())

    def outcome(self) -> Outcome | None:
        """What became of the file; None if it is not done."""
        if self.place is None:
            return None
        if self.connection.poll():
            try:
                return _read(self.connection.recv_bytes(_LONGEST))
            except (EOFError, OSError, ValueError, RecursionError):
                self.close()
                return Refused(Reason.CRASHED, f"the worker process ended with status {self._process.exitcode}")
        if monotonic() > self._deadline:
            self.close()
            return Refused(Reason.TIMED_OUT, "reading it takes too long")
        return None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _read(answer: bytes) -> Outcome:
    """An answer of a worker. Raises ValueError if it is none."""
    match json.loads(answer):
        case {"facts": dict() as facts} if all(isinstance(one, str | float | int | None) for one in facts.values()):
            return cast(dict[str, Value], facts)
        case {"reason": str() as reason, "detail": str() as detail}:
            return Refused(Reason(reason), detail)
    raise ValueError("no answer")


def _serve(connection: Connection, make: Callable[[], Measure]) -> None:
    """The life of a worker: it ends when the main process closes its end of the connection, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends this one
    _limit_memory()
    measure = make()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            path, audio = json.loads(connection.recv_bytes())
            answer = _answer(measure, Path(path), None if audio is None else Path(audio))
            connection.send_bytes(json.dumps(answer).encode())


def _answer(measure: Measure, path: Path, audio: Path | None) -> dict[str, object]:
    try:
        return {"facts": measure(path, audio)}
    except CannotJudge as refusal:
        return {"reason": refusal.reason, "detail": refusal.detail}
    except MemoryError:
        return {"reason": Reason.OUT_OF_MEMORY, "detail": f"it needs more than {_MAX_MEMORY // 1_000_000} MB"}
    except Exception as error:
        return {"reason": Reason.CRASHED, "detail": f"an error in avsync ({type(error).__name__})"}


def _limit_memory() -> None:
    """Let the system refuse this process more memory; Windows has no such limit."""
    if sys.platform != "win32":
        import resource

        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = _MAX_MEMORY if most == resource.RLIM_INFINITY else min(most, _MAX_MEMORY)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
