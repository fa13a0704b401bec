"""A process that makes and judges inputs: a number on standard input, two lines of JSON as answer.

    python -m fuzzing.worker media|files BASE FOLDER SECONDS MB

It runs until its standard input is closed, or until `fuzzing.pool` ends it.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TextIO

from fuzzing.guard import Guard
from fuzzing.memory import forget_peak, peak_mb

Answer = dict[str, Any]
Use = Callable[[], Answer]


class Input(Protocol):
    """One or several files."""

    @property
    def family(self) -> str:
        """How they were made."""

    @property
    def kind(self) -> str:
        """The container, or what they are."""

    @property
    def said(self) -> str:
        """What was done to them."""

    @property
    def files(self) -> list[Path]:
        """What may be opened."""


Make = Callable[[int], tuple[Input, Use]]


def main() -> None:
    """Answer until there are no more numbers."""
    what, base, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    answers = _only_answers()
    import torch

    torch.set_num_threads(1)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    guard = Guard(folder, Path(os.environ["AVSYNC_FUZZ_LOG"]))
    make = _media(base, folder, guard.port) if what == "media" else _files(base, folder)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        _answer(make, int(line), guard, lambda answer: print(json.dumps(answer), file=answers, flush=True))


def _answer(make: Make, seed: int, guard: Guard, send: Callable[[Answer], None]) -> None:
    """Send what the input is, then what came of it."""
    try:
        made, use = make(seed)
    except Exception as error:
        return send({"outcome": "not_made", "detail": _place(error)})
    send({"family": made.family, "kind": made.kind, "said": made.said})
    return send(_measured(guard, made.files, use))


def _only_answers() -> TextIO:
    """Standard output for answers alone; what libraries print there goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _media(base: Path, folder: Path, port: int) -> Make:
    from avsync.detector import Detector
    from avsync.isolation import IsolatedDetector
    from fuzzing.media import MediaMaker

    maker, seconds, megabytes = MediaMaker(base, folder, port), float(sys.argv[4]), int(sys.argv[5])
    isolated = IsolatedDetector(device="cpu", timeout=seconds, max_memory=megabytes)
    # In this process: sound beside pictures, which only the Python interface takes, and files that name others, because
    # a process without network cannot show that it would have asked for them.
    here = Detector(device="cpu")
    here.score(base / "base.mp4")  # loads what is loaded late
    next(isolated.score_all([base / "base.mp4"]))

    def make(seed: int) -> tuple[Input, Use]:
        made = maker.make(seed)

        def score() -> Answer:
            if made.audio is not None or made.family == "reference":
                verdict = here.score(made.path, audio=made.audio)
            else:
                (verdict,) = isolated.score_all([made.path])
            json.dumps(verdict.to_dict(), allow_nan=False)
            outcome = str(verdict.reason) if verdict.verdict == "cannot_judge" else verdict.verdict
            reports, isolated.reports = isolated.reports, []
            return {"outcome": outcome, "detail": "; ".join([verdict.detail or "", *verdict.warnings, *reports])}

        return made, score

    return make


def _files(base: Path, folder: Path) -> Make:
    from fuzzing.files import FileMaker

    maker = FileMaker(base, folder)

    def make(seed: int) -> tuple[Input, Use]:
        made = maker.make(seed)
        return made, made.use

    return make


def _measured(guard: Guard, files: list[Path], use: Use) -> Answer:
    """The answer with its time and the largest memory; an exception is an answer too."""
    forget_peak(os.getpid())
    begun = monotonic()
    with guard.watching(*files) as forbidden:
        try:
            answer = use()
        except Exception as error:
            answer = {"outcome": "exception", "detail": _place(error)}
    answer |= {"seconds": round(monotonic() - begun, 3), "mb": peak_mb(os.getpid())}
    if forbidden:
        answer |= {"outcome": "forbidden", "detail": "; ".join(forbidden)[:500]}
    return answer


def _place(error: Exception) -> str:
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    ours = " ".join(f"{path.name}:{line}" for path, line in places if "avsync" in path.parts)
    last, line = places[-1]
    return f"{type(error).__name__}: {str(error)[:200]} at {last.name}:{line} ({ours})"


if __name__ == "__main__":
    main()
