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

from avsync.align import EMBEDDED, TemporalAligner, lattice, mean_over_time
from avsync.detector import Detector
from avsync.face import FaceTracker, mouth_crops
from avsync.media import ahead
from avsync.score.readings import read_lattice, read_pictures
from avsync.speech import log_mel, speech_activity

# None of these calls another.
_STAGES: dict[str, tuple[Callable[..., Any], ...]] = {
    "wait for pictures, decoded in a thread": (ahead,),
    "find and follow faces, landmarks": (FaceTracker.update,),
    "decode sound, find speech": (speech_activity,),
    "mouth crops, picture readings": (mouth_crops, read_pictures),
    "encoders, lattice": (log_mel, TemporalAligner.embed, lattice, mean_over_time, read_lattice),
}


def main() -> None:
    """Time what happens before the file is opened, then every stage under the profiler."""
    started, file, *weights = sys.argv[1:]
    detector = Detector(Path(*weights) if weights else EMBEDDED)
    seconds = {"start, imports, checkpoint": time.time() - float(started)}
    profile = Profile()
    begin = time.perf_counter()
    verdict = profile.runcall(detector.score, file)
    total = time.perf_counter() - begin
    if verdict.verdict == "cannot_judge":
        sys.exit(f"{file}: {verdict.reason}, {verdict.detail}")
    spent = {entry.code: entry.totaltime for entry in profile.getstats()}
    for stage, functions in _STAGES.items():
        seconds[stage] = sum(spent[inspect.unwrap(function).__code__] for function in functions)
    seconds["the rest"] = total - sum(list(seconds.values())[1:])
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
