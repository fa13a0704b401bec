"""The worker: a process that makes what does the work, and does one job after another.

It is given objects on standard input, and answers on standard output (`avsync.engine.wire`).

    in   {"make", "max_memory", "watched"}, then the jobs
    out  {"facts"} or {"usage"} or {"error"}; for each job {"length"}, {"progress"}… and any number of {"answer"} with
         arrays, then {"done"} or {"refused"}
"""

import os
import pickle
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from avsync.engine.interface import Arrays, Work
from avsync.engine.memory import memory_of
from avsync.engine.traces import report
from avsync.engine.wire import Ended, read_order, write_answer
from avsync.errors import CannotJudge, UsageError
from avsync.progress import Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The exit status of a worker that found out itself that it holds too much memory.
MEMORY_STATUS = 86
_EVERY = 0.1  # seconds
_NONE: "Mapping[str, NDArray[Any]]" = {}


def main(parent: int, closed: bool) -> None:
    """Serve the process `parent` until it closes the pipe; `closed`: whether this process has no network."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    orders, up = _private_pipes()
    order = read_order(orders)
    if not order["watched"]:
        Thread(target=_watch, args=(parent, order["max_memory"]), daemon=True).start()
    _volunteer()
    try:
        work = pickle.loads(order["make"])()
        facts = {**getattr(work, "facts", {}), "network_closed": closed}
    except UsageError as error:
        return up.send({"usage": str(error)})
    except Exception as error:
        return up.send({"error": report(error)})
    up.send({"facts": facts})
    with suppress(Ended):
        while True:
            content, beside = read_order(orders)
            _do(work, content, beside, up)
    return None


class _Up:
    """What goes to the parent."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._last: tuple[Stage | None, float] = (None, 0.0)

    def send(self, message: dict[str, Any], arrays: Arrays = _NONE) -> None:
        write_answer(self._pipe, message, arrays)

    def length_of(self, path: str) -> None:
        from avsync.media.probe import probe

        try:
            length = probe(path).duration
        except CannotJudge:
            length = 0.0
        self.send({"length": length})

    def progress(self, stage: Stage, seconds: float, total: float) -> None:
        """Tell every stage, but not too often."""
        if stage != self._last[0] or monotonic() - self._last[1] >= _EVERY:
            self._last = (stage, monotonic())
            self.send({"progress": [stage, seconds, total]})


def _private_pipes() -> tuple[IO[bytes], _Up]:
    """Keep the two pipes for this module: what else prints or reads meets the null device."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)
    return orders, _Up(answers)


def _do(work: Work, content: bytes, beside: "Arrays | None", up: _Up) -> None:
    try:
        given = pickle.loads(content)
        for data, arrays in work(given if beside is None else (given, beside), up):
            up.send({"answer": data}, arrays)
        up.send({"done": True})
    except CannotJudge as refusal:
        up.send({"refused": refusal.reason, "detail": refusal.detail})
    except MemoryError:
        up.send({"full": True})
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # of torch, on a GPU
            up.send({"full": True})
        else:
            up.send({"crashed": type(error).__name__, "report": report(error)})


def _volunteer() -> None:
    """Tell the kernel to end this process, not the parent or another, when the machine has no memory left."""
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")


def _watch(parent: int, max_memory: int) -> None:
    """End this process when it holds too much memory, or its parent has ended, where the parent cannot look."""
    while sys.platform != "win32":
        import resource

        # The second is the most it ever held. On Linux it would begin with the memory of the parent.
        unit = 1 if sys.platform == "darwin" else 1024
        held = memory_of(os.getpid()) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        if held > max_memory:
            os._exit(MEMORY_STATUS)
        if os.getppid() != parent:
            os._exit(1)
        sleep(_EVERY)
