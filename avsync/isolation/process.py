"""A worker process, seen from the process that started it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from avsync.errors import AvsyncError, CannotJudge, Reason, UsageError
from avsync.isolation.memory import memory_of
from avsync.isolation.worker import MEMORY_STATUS
from avsync.progress import STAGES, Stage

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

MB = 1_000_000
# A file has these seconds, and for each second of its length `_SHARE` more.
_LEAST, _SHARE = 60.0, 5.0
# Headers may lie: no file is taken to be longer than it would be with so few bytes per second.
_LEAN = 2000
# Loading the largest backbone from a slow disk.
_START = 600.0
# What a process may take to end after it closed its pipe.
_FAREWELL = 5.0
# No answer is longer (bytes); the verdict on a day of video has a tenth of it, a proxy of ten minutes about half.
_LONGEST = 64 * MB
# numpy starts threads; the network is closed before that.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from avsync.processes import seal
closed = seal(int(sys.argv[2]))
from avsync.isolation.worker import main
main(int(sys.argv[2]), closed)
"""

Progress = Callable[[Stage, float, float], None]


class InternalError(Exception):
    """An error in avsync itself; `report` tells where, without personal data."""

    def __init__(self, report: str) -> None:
        super().__init__("internal error")
        self.report = report


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


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost: seconds (None: by its length), and bytes of memory."""

    timeout: float | None
    max_memory: int

    def seconds(self, length: float, size: int) -> float:
        """Return the seconds that a file of this length (s) and size (bytes) has."""
        return self.timeout or _LEAST + _SHARE * max(0.0, min(length, size / _LEAN))


class WorkerDied(Exception):
    """The process ended; `reason` and `words` say why."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(reason, words)
        self.reason, self.words = reason, words


class Worker:
    """One process with one detector. One thread uses it; another calls `enforce` and `kill`."""

    def __init__(self, order: dict[str, Any], limits: Limits, threads: int | None) -> None:
        """Start the process; `threads` bounds the threads of its networks."""
        environment = dict(os.environ)
        if threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        self._limits = limits
        self._lock = Lock()
        self._killed: Reason | None = None
        self._started = monotonic()
        self._seconds: float | None = _START  # None while it has nothing to do
        self._at_rest = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders print what a file makes them print
            env=environment,
        )
        self._watched = memory_of(self._process.pid) is not None
        self._order = {**order, "max_memory": limits.max_memory, "watched": self._watched}

    def facts(self) -> Facts:
        """Wait until the detector is made.

        Raises:
            UsageError: the options do not make a detector, or there is too little memory for it.
            InternalError: an error in avsync.
            AvsyncError: the process ended.
        """
        try:
            self._send(self._order)
            answer = self._receive()
        except WorkerDied as death:
            if death.reason is Reason.OUT_OF_MEMORY:
                megabytes = self._limits.max_memory // MB
                raise UsageError(f"--max-memory {megabytes}: too little to load the model; give more") from death
            raise AvsyncError(f"the model was not loaded: {death.words}") from death
        self._rest()
        self._at_rest = memory_of(self._process.pid) or 0
        if "usage" in answer:
            raise UsageError(str(answer["usage"]))
        if "facts" not in answer:
            raise InternalError(str(answer.get("error", "")))
        given = answer["facts"]
        readings = [name for check in given["checks"] for name in given["readings"].get(check, ())]
        return Facts(
            model=given["model"],
            weights_sha256=given["weights_sha256"],
            calibration_sha256=given["calibration_sha256"],
            checks=tuple(given["checks"]),
            readings=tuple(dict.fromkeys(readings)),
            network_closed=given["network_closed"],
        )

    def judge(self, path: str, keep: Sequence[str], on_progress: Progress) -> "Verdict":
        """Return the verdict on a file, with what is to be kept for the report.

        Raises:
            CannotJudge: `out_of_memory`; `crashed`, caused by an InternalError: an error in avsync.
            WorkerDied: the process ended.
        """
        size = _size(path)
        with self._lock:
            self._started, self._seconds = monotonic(), self._limits.seconds(0, size)
        self._send({"path": path, "keep": keep})
        while True:
            match self._receive():
                case {"progress": [str() as stage, int() | float() as seconds, int() | float() as total]}:
                    on_progress(_stage(stage), seconds, total)
                case {"length": int() | float() as length}:
                    with self._lock:
                        self._seconds = self._limits.seconds(length, size)
                case {"verdict": dict() as verdict, "figures": (dict() | None) as figures}:
                    self._rest()
                    return self._checked({**verdict, "path": path}, figures)
                case {"refused": "out_of_memory"}:
                    self.kill()
                    raise CannotJudge(Reason.OUT_OF_MEMORY, self._words(Reason.OUT_OF_MEMORY))
                case {"refused": "crashed", "error": str() as name, "report": str() as report}:
                    self._rest()
                    raise CannotJudge(Reason.CRASHED, f"an error in avsync ({name})") from InternalError(report)
                case _:
                    self.kill()
                    raise WorkerDied(Reason.CRASHED, "the worker process sent something that is no answer")

    @property
    def usable(self) -> bool:
        """Whether it can judge another file: it lives, and has given back most of the memory of the last one."""
        if self._killed is not None or self._process.poll() is not None:
            return False
        held = memory_of(self._process.pid) or 0
        return held <= (self._at_rest + self._limits.max_memory) / 2

    def enforce(self) -> None:
        """Kill the process if it is beyond a limit. Without work it is never."""
        with self._lock:
            if self._seconds is None or self._killed is not None:
                return
            if monotonic() > self._started + self._seconds:
                self._end(Reason.TIMED_OUT)
            elif self._watched and (memory_of(self._process.pid) or 0) > self._limits.max_memory:
                self._end(Reason.OUT_OF_MEMORY)

    def kill(self) -> None:
        """End the process."""
        with self._lock:
            self._end(Reason.CRASHED)

    def close(self) -> None:
        """End the process and wait until it has ended."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _end(self, reason: Reason) -> None:
        if self._killed is None:
            self._killed = reason
            self._process.kill()

    def _rest(self) -> None:
        with self._lock:
            self._seconds = None

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline(_LONGEST)
        if not line.endswith(b"\n"):
            raise self._death()
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        return message if isinstance(message, dict) else {}

    def _checked(self, data: dict[str, Any], figures: dict[str, Any] | None) -> "Verdict":
        # numpy takes a while, in which the first worker has begun already
        from avsync.score.figures import Figures
        from avsync.score.verdict import Verdict

        try:
            drawn = None if figures is None else Figures.from_dict(figures)
            return replace(Verdict.from_dict(data), figures=drawn)
        except ValueError as error:
            self.kill()
            raise WorkerDied(Reason.CRASHED, "the worker process sent something that is no verdict") from error

    def _death(self) -> WorkerDied:
        try:
            status = self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._process.wait()
        reason = Reason.OUT_OF_MEMORY if status == MEMORY_STATUS else self._killed or Reason.CRASHED
        words = f"the worker process ended with {_status_words(status)}"
        return WorkerDied(reason, words if reason is Reason.CRASHED else self._words(reason))

    def _words(self, reason: Reason) -> str:
        if reason is Reason.TIMED_OUT:
            return f"not done within {self._seconds or 0:g} s; --timeout gives more"
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
