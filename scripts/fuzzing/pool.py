"""Persistent workers: each is watched for time and memory, and replaced when it ends or must be ended."""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from time import monotonic
from typing import Any

from fuzzing.memory import peak_mb

# Outcomes that are faults. The last three are typed reasons of avsync, but no input here is so large that it needs so
# much. An input that the fuzzer itself could not write (muxers abort on some times) is `not_made`.
FAULTS = ("crash", "hang", "memory", "exception", "forbidden", "crashed", "timed_out", "out_of_memory")
# A worker is ended when it takes this much longer than its own limits allow (s). It may have to start its isolated
# process again, which loads the model.
_GRACE = 60.0
_START_SECONDS = 120.0
_POLL = 0.2  # s


@dataclass(frozen=True)
class Limits:
    """What one input may cost: seconds, and memory in MB."""

    seconds: float = 30.0
    mb: int = 2000


def run(
    what: str, seeds: Iterable[int], folder: Path, *, jobs: int = 1, limits: Limits | None = None
) -> Iterator[dict[str, Any]]:
    """Judge inputs, and yield a record of each as soon as it is there: `seed`, `outcome`, `seconds`, `mb` and others.

    Inputs with a fault are kept in `folder/faults/<what>-<seed>`.

    Args:
        what: "media" or "files".
        seeds: numbers of the inputs.
        folder: of everything that is written.
        jobs: processes.
        limits: what one input may cost.
    """
    waiting, done = iter(list(seeds)), Queue[dict[str, Any] | None]()

    def work(number: int) -> None:
        worker = _Worker(what, folder, number, limits or Limits())
        try:
            for seed in waiting:
                done.put(worker.judge(seed))
        finally:
            worker.end()
            done.put(None)

    threads = [Thread(target=work, args=(number,), daemon=True) for number in range(jobs)]
    for thread in threads:
        thread.start()
    ended = 0
    while ended < jobs:
        record = done.get()
        if record is None:
            ended += 1
        else:
            yield record


class _Worker:
    """One process of `fuzzing.worker`."""

    def __init__(self, what: str, folder: Path, number: int, limits: Limits) -> None:
        self._what, self._limits, self._folder = what, limits, folder.absolute()
        self._work = self._folder / f"work-{what}-{number}"
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def judge(self, seed: int) -> dict[str, Any]:
        """The record of one input."""
        process = self._process or self._start()
        assert process.stdin is not None
        begun = monotonic()
        with suppress(BrokenPipeError):
            process.stdin.write(f"{seed}\n".encode())
            process.stdin.flush()
        head = self._answer(process, _START_SECONDS)
        if "outcome" in head:
            return {"seed": seed, **head, "outcome": "not_made"}
        record = {**head, **self._answer(process, self._limits.seconds + _GRACE)}
        if record.get("mb", 0) > self._limits.mb and record["outcome"] not in FAULTS:
            record |= {"outcome": "memory", "detail": f"{record['outcome']}, {record['mb']} MB"}
        record = {"seed": seed, "seconds": round(monotonic() - begun, 3), **record}
        if record["outcome"] in FAULTS:
            kept = self._folder / "faults" / f"{self._what}-{seed}"
            shutil.copytree(self._work, kept, dirs_exist_ok=True)
            (kept / "record.json").write_text(json.dumps(record, indent=2) + "\n")
        return record

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        scripts = Path(__file__).parents[1]
        self._work.mkdir(parents=True, exist_ok=True)
        paths = [scripts / "fuzzing" / "startup", scripts, scripts.parent, os.environ.get("PYTHONPATH", "")]
        environment = {
            "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path),
            "AVSYNC_FUZZ_LOG": str(self._folder / f"{self._work.name}.audit"),
            "AVSYNC_FUZZ_FOLDER": str(self._work),
            "OMP_NUM_THREADS": "1",
        }
        places = [str(self._folder / "base"), str(self._work)]
        command = [sys.executable, "-m", "fuzzing.worker", self._what, *places]
        command += [str(self._limits.seconds), str(self._limits.mb)]
        with (self._folder / f"{self._work.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
            )
        self._rest = b""
        if self._line(self._process, _START_SECONDS) != b"ready":
            self.end()
            raise RuntimeError(f"the worker did not start; see {self._work.name}.log in {self._folder}")
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        line = self._line(process, seconds)
        if isinstance(line, bytes):
            answer: dict[str, Any] = json.loads(line)
            return answer
        peak = peak_mb(process.pid)
        if line == "crash":
            process.wait()
        self.end()
        return {"outcome": line, "detail": f"exit status {process.returncode}", "mb": peak}

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes | str:
        """The next line of a process, or the fault that ended the wait."""
        assert process.stdout is not None
        until = monotonic() + seconds
        while b"\n" not in self._rest:
            if select.select([process.stdout], [], [], _POLL)[0]:
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    return "crash"
                self._rest += piece
            elif monotonic() > until:
                return "hang"
            elif peak_mb(process.pid) > 2 * self._limits.mb:
                return "memory"
        line, _, self._rest = self._rest.partition(b"\n")
        return line
