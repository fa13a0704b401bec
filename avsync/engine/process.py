"""A worker process, seen from the process that started it."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from avsync.engine.interface import MB, Arrays, InternalError, Job, Limits, Pickled, Progress
from avsync.engine.memory import memory_of
from avsync.engine.wire import Ended, read_answer, write_order
from avsync.engine.worker import MEMORY_STATUS
from avsync.errors import AvsyncError, CannotJudge, Reason, UsageError
from avsync.progress import STAGES, Stage

# Loading the largest backbone from a slow disk.
_START = 600.0
# What a process may take to end after it closed its pipe.
_FAREWELL = 5.0
_EVERY = 0.1  # seconds between two looks at the limits
# numpy starts threads; the network is closed before that.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from avsync.processes import seal
closed = seal(int(sys.argv[2]))
from avsync.engine.worker import main
main(int(sys.argv[2]), closed)
"""


class Process:
    """One process. One thread uses it; others may call `kill`."""

    def __init__(self, make: bytes, limits: Limits, threads: int | None, paths: Sequence[str] = ()) -> None:
        """Start the process.

        Args:
            make: a pickled `Task.make`.
            limits: of a job.
            threads: of its networks, at most; None: as many as there are cores.
            paths: where modules are found, besides those of this process.
        """
        environment = dict(os.environ)
        if threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        self._limits = limits
        self._lock, self._gone = Lock(), Event()
        self._killed: Reason | None = None
        # What the job has in all, and when that is over; None: it has nothing to do, or waits for us.
        self._seconds = _START
        self._until: float | None = monotonic() + _START
        self._working, self._at_rest = True, 0
        known = [*sys.path, *(path for path in paths if path not in sys.path)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(known), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders print what a file makes them print
            env=environment,
        )
        self._watched = memory_of(self._process.pid) is not None
        self._order = {"make": make, "max_memory": limits.max_memory, "watched": self._watched}
        Thread(target=self._guard, daemon=True).start()

    def facts(self) -> dict[str, Any]:
        """Wait until the work is made, and return what it tells of itself.

        Raises:
            UsageError: the options are wrong, or there is too little memory for it.
            InternalError: an error in avsync.
            AvsyncError: the process ended.
        """
        try:
            self._send(self._order)
            answer, _ = self._receive()
        except CannotJudge as death:
            if death.reason is Reason.OUT_OF_MEMORY:
                megabytes = self._limits.max_memory // MB
                raise UsageError(f"--max-memory {megabytes}: too little to load the model; give more") from death
            raise AvsyncError(f"the model was not loaded: {death.detail}") from death
        self._rest()
        self._at_rest = self._held()
        if "usage" in answer:
            raise UsageError(str(answer["usage"]))
        if "facts" not in answer:
            raise InternalError(str(answer.get("error", "")))
        return dict(answer["facts"])

    def do(self, job: Job, on_progress: Progress) -> Generator[tuple[dict[str, Any], Arrays], None, None]:
        """Yield the answers of a job, as `Seat.do`."""
        size = _size(job.path)
        with self._lock:
            self._seconds, self._working = self._limits.seconds(None, size), True
            self._until = monotonic() + self._seconds
        given = job.given.content if isinstance(job.given, Pickled) else pickle.dumps(job.given)
        self._send((given, None if job.arrays is None else job.arrays.get()))
        while True:
            match self._receive():
                case {"answer": dict() as answer}, arrays:
                    left = self._pause()
                    yield answer, arrays
                    self._go_on(left)
                case {"progress": [str() as stage, int() | float() as seconds, int() | float() as total]}, _:
                    on_progress(_stage(stage), seconds, total)
                case {"length": int() | float() as length}, _:
                    self._extend(self._limits.seconds(length, size))
                case {"done": True}, _:
                    self._rest()
                    return
                case {"refused": str() as reason, "detail": str() as detail}, _ if reason in set(Reason):
                    self._rest()
                    raise CannotJudge(Reason(reason), detail)
                case {"full": True}, _:
                    self.kill()
                    raise CannotJudge(Reason.OUT_OF_MEMORY, self._words(Reason.OUT_OF_MEMORY))
                case {"crashed": str() as name, "report": str() as report}, _:
                    self._rest()
                    raise CannotJudge(Reason.CRASHED, f"an error in avsync ({name})") from InternalError(report)
                case _:
                    self.kill()
                    raise CannotJudge(Reason.CRASHED, "the worker process sent something that is no answer")

    @property
    def usable(self) -> bool:
        """Whether it can do another job: it lives, and has given back most of the memory of the last one."""
        if self._killed is not None or self._working or self._process.poll() is not None:
            return False
        return self._held() <= (self._at_rest + self._limits.max_memory) / 2

    def kill(self) -> None:
        """End the process."""
        with self._lock:
            self._end(Reason.CRASHED)

    def close(self) -> None:
        """End the process and wait until it has ended."""
        self.kill()
        self._gone.set()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _guard(self) -> None:
        """Kill the process when it is beyond a limit. Without work it is never."""
        while not self._gone.wait(_EVERY):
            with self._lock:
                if self._killed is not None:
                    return
                if self._until is not None and monotonic() > self._until:
                    self._end(Reason.TIMED_OUT)
                elif self._working and self._watched and self._held() > self._limits.max_memory:
                    self._end(Reason.OUT_OF_MEMORY)

    def _held(self) -> int:
        return memory_of(self._process.pid) or 0

    def _end(self, reason: Reason) -> None:
        if self._killed is None:
            self._killed = reason
            self._process.kill()

    def _rest(self) -> None:
        """There is nothing to do."""
        with self._lock:
            self._until, self._working = None, False

    def _pause(self) -> float:
        """Stop the clock, and return the seconds left."""
        with self._lock:
            left = 0.0 if self._until is None else self._until - monotonic()
            self._until = None
        return left

    def _go_on(self, left: float) -> None:
        with self._lock:
            self._until = monotonic() + left

    def _extend(self, seconds: float) -> None:
        """The job has so many seconds in all."""
        with self._lock:
            if self._until is not None:
                self._until += seconds - self._seconds
            self._seconds = seconds

    def _send(self, order: Any) -> None:
        assert self._process.stdin is not None
        try:
            write_order(self._process.stdin, order)
        except OSError as error:
            raise self._death() from error

    def _receive(self) -> tuple[dict[str, Any], Arrays]:
        assert self._process.stdout is not None
        try:
            return read_answer(self._process.stdout)
        except Ended as error:
            raise self._death() from error
        except ValueError:
            return {}, {}

    def _death(self) -> CannotJudge:
        """Why the process ended."""
        try:
            status = self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._process.wait()
        reason = Reason.OUT_OF_MEMORY if status == MEMORY_STATUS else self._killed or Reason.CRASHED
        words = f"the worker process ended with {_status_words(status)}"
        return CannotJudge(reason, words if reason is Reason.CRASHED else self._words(reason))

    def _words(self, reason: Reason) -> str:
        if reason is Reason.TIMED_OUT:
            return f"not done within {self._seconds:g} s; --timeout gives more"
        return f"more than {self._limits.max_memory // MB} MB of memory were needed; --max-memory gives more"


def _status_words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"{name}, perhaps for lack of memory" if name == "SIGKILL" else name


def _stage(name: str) -> Stage:
    """The stage of that name; what a worker makes up is the first."""
    return next((stage for stage in STAGES if stage == name), STAGES[0])


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except (OSError, ValueError):
        return 0
