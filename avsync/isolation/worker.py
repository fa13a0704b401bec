"""The worker: it makes one detector, and judges one file after another.

It is given lines of JSON on standard input, and answers with lines of JSON on standard output. JSON, not pickle:
whoever takes over a worker by a hostile file must not run code in the process that reads its answers.

    in   {"factory", "options", "max_memory", "watched"}, then {"path", "keep"} for each file
    out  {"facts"} or {"usage"} or {"error"}; for each file {"length"}, {"progress"}… and {"verdict", "figures"} or
         {"refused"}
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

from avsync.errors import CannotJudge, UsageError
from avsync.isolation.memory import memory_of
from avsync.isolation.traces import report
from avsync.progress import Stage

# The exit status of a worker that found out itself that it holds too much memory.
MEMORY_STATUS = 86
_EVERY = 0.1  # seconds
_PATHS = ("weights", "features")  # options of the detector that are paths

Send = Callable[[dict[str, Any]], None]

_FACTS = ("model", "weights_sha256", "calibration_sha256", "checks", "readings")  # what is told of the detector


def main(parent: int, closed: bool) -> None:
    """Serve the process `parent` until it closes the pipe; `closed`: whether this process has no network."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    orders, send = _private_pipes()
    order = json.loads(orders.readline())
    if not order["watched"]:
        Thread(target=_watch, args=(parent, order["max_memory"]), daemon=True).start()
    _volunteer()
    try:
        detector = _make(order["factory"], order["options"])
        facts = {name: getattr(detector, name) for name in _FACTS}
    except UsageError as error:
        return send({"usage": str(error)})
    except Exception as error:
        return send({"error": report(error)})
    send({"facts": {**facts, "network_closed": closed}})
    for line in orders:
        _judge(detector, **json.loads(line), send=send)
    return None


def _private_pipes() -> tuple[Any, Send]:
    """Keep the two pipes for this module: what else prints or reads meets the null device."""
    orders = os.fdopen(os.dup(0), "r", encoding="ascii")
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)

    def send(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message, allow_nan=False) + "\n")
        answers.flush()

    return orders, send


def _make(factory: str, options: dict[str, Any]) -> Any:
    module, _, name = factory.partition(":")
    given = {key: Path(value) if key in _PATHS and value is not None else value for key, value in options.items()}
    return getattr(import_module(module), name)(**given)


def _judge(detector: Any, path: str, keep: list[str], send: Send) -> None:
    try:
        send({"length": _length(path)})
        verdict = detector.score(Path(path), keep=keep, on_progress=_shown(send))
        figures = None if verdict.figures is None else verdict.figures.to_dict()
        send({"verdict": verdict.to_dict(), "figures": figures})
    except MemoryError:
        send({"refused": "out_of_memory"})
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # of torch, on a GPU
            send({"refused": "out_of_memory"})
        else:
            send({"refused": "crashed", "error": type(error).__name__, "report": report(error)})


def _length(path: str) -> float:
    """Return the seconds of a file, as its headers say; 0 if they cannot be read."""
    from avsync.media.probe import probe

    try:
        return probe(path).duration
    except CannotJudge:
        return 0.0


def _shown(send: Send) -> Callable[[Stage, float, float], None]:
    """Return a callback that tells the parent about progress: every stage, but not too often."""
    last: tuple[Stage | None, float] = (None, 0.0)

    def show(stage: Stage, seconds: float, total: float) -> None:
        nonlocal last
        if stage != last[0] or monotonic() - last[1] >= _EVERY:
            last = (stage, monotonic())
            send({"progress": [stage, seconds, total]})

    return show


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
