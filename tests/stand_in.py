"""Detectors that look only at the file's name, for this process and for workers. None needs torch."""

import ctypes
import json
import os
import socket
import sys
import time
from dataclasses import replace
from os.path import isdir, isfile

from avsync.errors import Reason, UsageError
from avsync.score.verdict import CheckResult, CheckScore, ReadingValue, TrackVerdict, Verdict


class Detector:
    model, weights_sha256, calibration_sha256, checks = "toy", "ab" * 32, "cd" * 32, ("lips", "face")
    readings = {"lips": ("agreement",), "face": ()}  # noqa: RUF012

    def __init__(self, weights=None, *, level=0.05, **options):
        self.level = level

    def score(self, path, *, audio=None, keep=(), on_progress=None):
        if not isfile(path):  # noqa: PTH113
            words = "is a directory" if isdir(path) else "no such file"  # noqa: PTH112
            return self.refuse(path, Reason.UNREADABLE, words)
        if path.suffix == ".wav":
            return self.refuse(path, Reason.NO_VIDEO, "the file has no moving picture")
        if on_progress:
            on_progress("faces", 4.0, 8.0)
        p = 0.013 if "dubbed" in path.name else 0.42
        scores = {name: CheckScore(1 - p, p) for name in self.checks}
        track = TrackVerdict(0, 0.2, 7.9, (1, 2, 3, 4), 6.5, 40.0, scores, 1 - p, p)
        word = "suspicious" if p <= self.level else "consistent"
        readings = {"lips": {"agreement": ReadingValue(0.31, 1.0, 0.02)}}
        results = {name: CheckResult(1 - p, p, readings.get(name, {})) for name in self.checks}
        return Verdict(
            str(path),
            word,
            p_value=p,
            anomaly_score=1 - p,
            decisive_track=0,
            duration=8.0,
            checks=results,
            tracks=[track],
            level=self.level,
            model=self.model,
        )

    def refuse(self, path, reason, detail):
        checks = {name: CheckResult(reason=reason, detail=detail) for name in self.checks}
        return Verdict(str(path), "cannot_judge", reason, detail, checks=checks)


class Echo(Detector):
    """Its model is named by the options."""

    def __init__(self, **options):
        super().__init__(**options)
        self.model = json.dumps(options, default=str)


class Refusing(Detector):
    def __init__(self, **options):
        raise UsageError("weights: not these")


class Broken(Detector):
    def __init__(self, **options):
        raise ValueError("secret.mp4")


class Greedy(Detector):
    def __init__(self, **options):
        allocate()


class Hostage(Detector):
    """Does what the name of the file says; in place of a hash are its process and the number of the detector in it."""

    made = 0

    def __init__(self, **options):
        super().__init__(**options)
        Hostage.made += 1

    def score(self, path, *, audio=None, keep=(), on_progress=None):
        action, _, argument = path.stem.partition("_")
        getattr(self, action, lambda _: None)(argument)
        if action == "read":
            for second in range(4):
                on_progress("faces", float(second), 4.0)
                time.sleep(0.2)
        verdict = replace(super().score(path), sha256=f"{os.getpid()} {Hostage.made}")
        return Nonsense() if action == "nonsense" else verdict

    def abort(self, _):
        os.abort()

    def segfault(self, _):
        ctypes.string_at(0)

    def kill(self, _):
        os.kill(os.getpid(), 9)

    def leave(self, _):
        os._exit(0)

    def hang(self, seconds):
        time.sleep(float(seconds or 60))

    def allocate(self, _):
        allocate()

    def raises(self, _):
        raise ValueError("secret.mp4")

    def full(self, _):
        raise MemoryError

    def chatter(self, _):
        print("chatter", flush=True)
        os.write(1, b"chatter\n")
        sys.stderr.write("chatter\n")

    def connect(self, port):
        with socket.create_connection(("127.0.0.1", int(port)), timeout=2):
            pass


class Nonsense:
    figures = None

    def to_dict(self):
        return {"schema": "nonsense"}


def allocate():
    held = []
    while True:
        held.append(b"x" * 10_000_000)
        time.sleep(0.01)
