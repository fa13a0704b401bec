"""Judge FILE, with the checkpoint WEIGHTS if given, and print the seconds of each stage as JSON.

    python stages.py STARTED FILE [WEIGHTS]

STARTED is the time (s) at which this process was started: Python and the imports are a stage themselves.
"""

import inspect
import json
import sys
import time
from collections.abc import Callable
from cProfile import Profile
from pathlib import Path
from typing import Any

from avsync.checkpoint import EMBEDDED
from avsync.checks.load import load_setup
from avsync.detector import Detector
from avsync.face import FaceTracker
from avsync.media import prefetch
from avsync.speech import speech_activity

# No function of a stage calls a function of another stage.
_STAGES: dict[str, tuple[Callable[..., Any], ...]] = {
    "wait for pictures, decoded in a thread": (prefetch,),
    "detect and track faces, landmarks": (FaceTracker.update,),
    "decode sound, find speech": (speech_activity,),
}


def main() -> None:
    """Measure what happens before the file is opened, then every stage under the profiler."""
    started, file, *weights = sys.argv[1:]
    checkpoint = Path(*weights) if weights else EMBEDDED
    detector = Detector(checkpoint)
    seconds = {"start, imports, checkpoint": time.time() - float(started)}
    profile = Profile()
    begin = time.perf_counter()
    verdict = profile.runcall(detector.score, file)
    total = time.perf_counter() - begin
    if verdict.verdict == "cannot_judge":
        sys.exit(f"{file}: {verdict.reason}, {verdict.detail}")
    spent = {entry.code: entry.totaltime for entry in profile.getstats()}
    for stage, functions in {**_STAGES, **_checks(checkpoint)}.items():
        seconds[stage] = sum(spent[inspect.unwrap(function).__code__] for function in functions)
    seconds["everything else"] = total - sum(list(seconds.values())[1:])
    print(json.dumps(seconds))


def _checks(checkpoint: Path) -> dict[str, tuple[Callable[..., Any], ...]]:
    """A stage for each check, with the crops that it makes itself."""
    return {
        f"check {check.name}": (type(check).measure, type(check).combine) for check in load_setup(checkpoint).checks
    }


if __name__ == "__main__":
    main()
