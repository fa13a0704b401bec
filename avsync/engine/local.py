"""Worker processes on this machine."""

import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import Any

from avsync.engine.interface import Arrays, Job, Limits, Progress, Task
from avsync.engine.process import Process


class LocalEngine:
    """Seats on this machine."""

    def seat(self, task: Task, count: int) -> "LocalSeat":
        """See `Engine.seat`. Several processes share the cores."""
        threads = max(1, (os.cpu_count() or 1) // count) if count > 1 else None
        return LocalSeat(pickle.dumps(task.make), task.limits, threads)


LOCAL = LocalEngine()


@dataclass(frozen=True, slots=True)
class Here:
    """Arrays in this process (`Held`)."""

    arrays: Arrays

    def get(self) -> Arrays:
        """The arrays by name."""
        return self.arrays


class LocalSeat:
    """A process that is replaced when it has ended, or holds too much of the memory of its last job (`Seat`)."""

    def __init__(self, make: bytes, limits: Limits, threads: int | None, paths: Sequence[str] = ()) -> None:
        self._arguments = (make, limits, threads, paths)
        self._lock, self._closed = Lock(), False
        self._process: Process | None = None
        self._facts: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """See `Seat.facts`."""
        self._ready()
        return self._facts

    def do(self, job: Job, on_progress: Progress) -> Iterator[tuple[dict[str, Any], Here]]:
        """See `Seat.do`."""
        process = self._ready()
        with closing(process.do(job, on_progress)) as answers:
            for data, arrays in answers:
                yield data, Here(arrays)

    def kill(self, *, for_good: bool = False) -> None:
        """See `Seat.kill`."""
        with self._lock:
            self._closed = self._closed or for_good
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """See `Seat.close`."""
        self.kill(for_good=True)
        self._end()

    def _ready(self) -> Process:
        """A process that can do a job."""
        if self._process is not None and self._process.usable:
            return self._process
        self._end()
        with self._lock:
            process = self._process = Process(*self._arguments)
            if self._closed:
                process.kill()
        try:
            self._facts = process.facts()
        except BaseException:
            self._end()
            raise
        return process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()
