"""The real `avsync app` for tests, with a detector that does what a file says, and one who asks it."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from json import loads
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlencode

from stand_in import Detector, Hostage

from avsync.errors import Reason
from avsync.progress import STAGES
from avsync.score.figures import Figures, Still

_TESTS = Path(__file__).parent
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from avsync.isolation import detector
detector.FACTORY = sys.argv.pop(1) or detector.FACTORY
exec(sys.argv.pop(1))
from avsync.cli import main
main()
"""
# One white point.
_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)
SCRIPTED, REAL = "app_server:Scripted", ""


class Scripted(Hostage):
    """Does what the first line of a file says: "stages 0.2" takes so long for each stage, "abort" crashes."""

    def score(self, path, *, audio=None, keep=(), on_progress=None):
        action, _, argument = path.read_bytes().decode().partition("\n")[0].partition(" ")
        if action == "text":
            return self.refuse(path, Reason.UNREADABLE, "not a readable media file")
        if action == "stages":
            for stage in STAGES:
                for second in range(1, 5):
                    on_progress(stage, float(second), 4.0)
                    time.sleep(float(argument) / 4)
        elif action in ("abort", "hang"):
            getattr(self, action)(argument)
        with NamedTemporaryFile(prefix=action) as named:  # `Detector` looks at the name
            verdict = Detector.score(self, Path(named.name))
        figures = Figures(thumbnail=Still(0.0, _PICTURE)) if "figures" in keep else None
        return replace(verdict, sha256="ef" * 32, width=64, height=48, duration=8.0, figures=figures)


class App:
    """One who asks a running app.

    Attributes:
        process: of the app.
        said: the lines that it printed before and with the address.
        address: the page with its key.
        cookie, home: what a browser has after it was there, and the path for which it has it.
    """

    def __init__(self, process):
        self.process, self.said = process, []
        while not self.said or "the page is at" not in self.said[-1]:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            self.said.append(line)
        self.address = re.search(r"http\S+", self.said[-1])[0]
        self.host = re.search(r"//([^/]+)", self.address)[1]
        self.port = int(self.host.rpartition(":")[2])
        header = self.ask("GET", self.address.partition(self.host)[2]).headers["set-cookie"]
        self.cookie, self.home = header.partition(";")[0], re.search(r"Path=([^;]+)", header)[1]

    def ask(self, method, path, body=None, **headers):
        """Ask as the page does, which is at home, and return the answer with its `content`.

        A header that is None is left out.
        """
        given = {"Cookie": getattr(self, "cookie", None), "Origin": f"http://{self.host}" if method != "GET" else None}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        shown = {name: value for name, value in given.items() if value is not None}
        connection.request(
            method,
            path if path.startswith("/") else self.home + path,
            body,
            shown,
            encode_chunked=shown.get("Transfer-Encoding") == "chunked",
        )
        answer = connection.getresponse()
        answer.content = answer.read()
        connection.close()
        return answer

    def upload(self, content, name="clip.mp4", **headers):
        """Upload a file; returns the answer, with the `item` that the server made of it."""
        answer = self.ask("POST", "items?" + urlencode({"name": name}), content, **headers)
        answer.data = loads(answer.content)
        return answer

    def items(self):
        return loads(self.ask("GET", "items").content)["items"]

    def judged(self, *names):
        """Wait until the files with these names (default: all) are judged, and return them by name."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = {item["name"]: item for item in self.items() if not names or item["name"] in names}
            if found and set(names) <= set(found) and all(item["state"] == "done" for item in found.values()):
                return found
            time.sleep(0.05)
        raise TimeoutError(self.items())


@contextmanager
def app(folder, *options, factory=SCRIPTED, patch="", **environment):
    """Start the app with `folder` as its temporary folder, and yield one who asks it; `patch` is run before."""
    words = [
        sys.executable,
        "-c",
        _PROGRAM,
        str(_TESTS),
        factory,
        patch,
        "app",
        "--no-browser",
        "--port",
        "0",
        *options,
    ]
    settings = {**os.environ, "TMPDIR": str(folder), **environment}
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings
    ) as process:
        try:
            yield App(process)
        finally:
            process.terminate()
