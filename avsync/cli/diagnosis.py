"""What `avsync doctor` finds, and what to do about it. Nothing here imports what may be broken."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from avsync.cli.probe import PROBES

# A probe that takes longer (s) hangs; on a busy machine with a slow disk, one may take two minutes.
_PATIENCE = 240.0
_SIDE_BY_SIDE = 3  # probes: each holds up to 1 GB
# With less, most files are refused (out_of_memory), or reports cannot be written.
_LEAST_MEMORY, _LEAST_DISK = 2e9, 1e9
_NEEDED = ("torch", "PyAV", "faces dlib", "judging")  # probes without which the default does not work
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from avsync.cli.probe import main
main(sys.argv[2])
"""
# Beside the package that an extra brings: what it is for. A test compares the names with pyproject.toml.
EXTRAS = {
    "app": "the local page, avsync app",
    "autoencoders": "reconstructions of faces by published autoencoders",
    "fan": "--faces fan",
    "mesh": "--faces mesh",
    "pandas": "avsync.to_pandas",
    "plot": "Verdict.plot",
    "scale": "--engine ray and .parquet reports",
    "shards": "avsync pack, and trainings from its tar files",
    "ssl": "--backbone with HuBERT, WavLM and others",
    "train": "avsync train",
    "voice": "WORLD, to train the check of the voice",
}
_REINSTALL = "install it again: pip install --force-reinstall --no-deps"
_REMEDIES = {
    "torch": f"{_REINSTALL} torch",
    "PyAV": f"{_REINSTALL} av",
    "faces dlib": f"{_REINSTALL} dlib-bin face_recognition_models",
    "judging": "mend what is missing here first; if nothing is, run avsync demo and report what it says",
    "weights": "see that you may read the folder of weights",
}
_EXTRA = re.compile(r"""extra == ["']([\w-]+)["']""")
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: its name.
        state: "ok"; "note": something optional is missing or little is left; "fault": the default does not work.
        said: what was found, on one line.
        remedy: what to do about it, on one line; empty if it is ok.
    """

    about: str
    state: Literal["ok", "note", "fault"]
    said: str
    remedy: str = ""


def diagnose() -> Iterator[Finding]:
    """Yield what is found, the most basic first. Nothing is raised, and no probe takes longer than four minutes."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        probes = {name: pool.submit(_probe, name) for name in PROBES}
        yield _python()
        yield from _packages()
        yield _temporary_folder()
        yield _memory()
        yield _disk()
        for probe in probes.values():
            yield probe.result()
        yield from _extras()


def _python() -> Finding:
    python, system = f"Python {platform.python_version()}", f"{platform.system()} {platform.machine()}"
    said = f"{_version('avsync') or 'not installed'}, {python} on {system} with {os.cpu_count() or 1} processor cores"
    return Finding("avsync", "ok", said)


def _packages() -> Iterator[Finding]:
    needed = [line for line in _requirements() if not _EXTRA.search(line)]
    if not needed:
        yield Finding("packages", "note", "avsync is not installed: it runs from a folder", "run: pip install .")
    missing = [line.partition(";")[0].strip() for line in needed if not _version(_name(line))]
    for line in missing:
        yield Finding(
            _name(line), "fault", "this package, which avsync needs, is missing", f"run: pip install '{line}'"
        )
    if needed and not missing:
        yield Finding("packages", "ok", f"all {len(needed)} that avsync needs are installed")


def _extras() -> Iterator[Finding]:
    for extra, use in EXTRAS.items():
        packages = [_name(line) for line in _requirements() if extra in _EXTRA.findall(line)]
        missing = [name for name in packages if not _version(name)]
        if missing:
            said = f"for {use}: without {', '.join(missing)}"
            yield Finding(f"extra {extra}", "note", said, f"if you want it, run: pip install 'avsync[{extra}]'")
        elif packages:
            yield Finding(f"extra {extra}", "ok", f"for {use}")


def _temporary_folder() -> Finding:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"?")
    except OSError as error:
        said = f"nothing can be written there ({error.strerror or error})"
        return Finding("temporary folder", "fault", said, "set TMPDIR to a folder where you may write")
    return Finding("temporary folder", "ok", f"{tempfile.gettempdir()}, can be written")


def _memory() -> Finding:
    available = _available_memory()
    if available is None:
        return Finding("memory", "ok", "the system does not tell how much is free")
    said = f"{available / 1e9:.1f} GB are free"
    if available < _LEAST_MEMORY:
        return Finding(
            "memory", "note", said, "close other programs: a file takes up to 2 GB, with --jobs each of them"
        )
    return Finding("memory", "ok", said)


def _available_memory() -> float | None:
    """The bytes that programs can get; None where the system does not tell (only Linux does)."""
    try:
        found = re.search(
            r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE
        )
    except OSError:
        return None
    return 1024.0 * int(found[1]) if found else None


def _disk() -> Finding:
    try:
        places = {place: shutil.disk_usage(place).free for place in (tempfile.gettempdir(), str(Path.cwd()))}
    except OSError as error:
        return Finding(
            "disk", "note", f"its free space is not known ({error.strerror or error})", "look for it yourself"
        )
    said = ", ".join(f"{free / 1e9:.1f} GB are free in {place}" for place, free in places.items())
    if min(places.values()) < _LEAST_DISK:
        return Finding("disk", "note", said, "make room: reports, features and checkpoints may need more")
    return Finding("disk", "ok", said)


def _probe(name: str) -> Finding:
    """The answer of a process of its own."""
    said, works = _answer(name)
    if works:
        return Finding(name, "ok", said)
    state: Literal["note", "fault"] = "fault" if name in _NEEDED else "note"
    return Finding(name, state, said, _REMEDIES.get(name, f"only --{name} needs it"))


def _answer(name: str) -> tuple[str, bool]:
    words = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), name]
    try:
        # Of what libraries print, nothing is wanted.
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_PATIENCE:.0f} s", False
    except OSError as error:
        return f"no process can be started ({error.strerror or error})", False
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
        return next((str(answer[key]), key == "ok") for key in ("ok", "fault") if key in answer)
    except (IndexError, ValueError, TypeError, StopIteration):
        return f"it ended with {_status(done.returncode)} when it was used", False


def _status(code: int) -> str:
    try:
        return f"exit status {code}" if code >= 0 else signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _requirements() -> list[str]:
    try:
        return distribution("avsync").requires or []
    except PackageNotFoundError:
        return []


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    return found[0] if found else requirement


def _version(name: str) -> str:
    """The version of a package; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
