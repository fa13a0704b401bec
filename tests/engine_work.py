"""Work for the tests of engines: it does what a job says. Nothing heavy is imported."""

import ctypes
import os
import socket
import time
from pathlib import Path

import numpy as np

from avsync.engine import Limits, Task
from avsync.errors import CannotJudge, Reason

MB = 1_000_000


def task(seconds=60.0, memory=500 * MB):
    """A task with limits."""
    return Task(make, Limits(seconds, memory), read)


def make():
    """Runs in the worker."""
    return Work()


def read(data, arrays):
    """The plain data with the sum of the arrays."""
    if data["value"] == "nonsense":
        raise ValueError("nonsense")
    return {**data, "held": arrays}


class Work:
    facts = {"name": "toy"}  # noqa: RUF012

    def __call__(self, given, tell):
        if isinstance(given, tuple):  # with arrays
            yield {"value": float(sum(array.sum() for array in given[1].values()))}, {}
            return
        action, _, argument = given.partition(" ")
        yield from getattr(self, action)(argument)

    def say(self, value):
        yield {"value": value}, {}

    def count(self, upto):
        for number in range(int(upto)):
            yield {"value": number}, {"ones": np.ones((number, 3), np.float32)}

    def slow(self, upto):
        """Tells the process that started this one, too: on Ray, the actor."""
        for number in range(int(upto)):
            time.sleep(0.15)
            yield {"value": number, "parent": os.getppid()}, {}

    def note(self, folder):
        for number in range(10):
            (Path(folder) / str(number)).touch()
            yield {"value": number}, {"more than a pipe holds": np.zeros(MB)}

    def refuse(self, _):
        raise CannotJudge(Reason.NO_FACE, "nobody is seen")
        yield

    def fail(self, _):
        raise KeyError("secret.mp4")
        yield

    def abort(self, _):
        ctypes.string_at(0)
        yield

    def hang(self, _):
        time.sleep(600)
        yield

    def fill(self, _):
        held = []
        while True:
            held.append(b"x" * (10 * MB))
            time.sleep(0.01)
        yield

    def connect(self, port):
        with socket.create_connection(("127.0.0.1", int(port)), timeout=2):
            yield {"value": "connected"}, {}

    def behead(self, _):
        """Ends the process that started this one."""
        yield {"value": 0}, {}
        os.kill(os.getppid(), 9)
        time.sleep(60)
