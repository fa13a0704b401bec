"""The audit hook: which files a Python process opens, and what else it does that judging a file never needs.

A process that finds `fuzzing/startup` on its path installs it at its start (`sitecustomize`).
"""

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "pickle.find_class")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Python loads modules, and torch and dlib their data, when they are first needed.
_READABLE = (
    *(
        str(Path(place).resolve())
        for place in (sys.prefix, sys.base_prefix, sysconfig.get_paths()["stdlib"], Path(__file__).parents[2])
    ),
    *("/proc/", "/sys/", os.devnull, "/dev/urandom"),
)
_WRITABLE = (os.devnull, "/proc/self/")
# A worker that ended is replaced while the next input is judged, and `ctypes` asks for the linker's list of libraries.
_PROGRAMS = (sys.executable, "/sbin/ldconfig")
# Jobs, and what makes a worker that replaces another, are pickles of the parent; nothing of a file is ever one.
_OF_THE_PARENT = (
    ("avsync.isolation.judge", "FileToJudge"),
    ("avsync.isolation.judge", "make_judge"),
    ("functools", "partial"),
)
_PATH_HOOK = ".__path_hook__"  # no file: the import system asks editable installations by this name


def install(folder: Path, tell: Callable[[str], None]) -> None:
    """Tell what this process does, a line each; reading code, and anything below `folder`, is not told."""
    below = f"{folder}{os.sep}"

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and not is_allowed(os.fsdecode(path), flags, below):
                tell(f"opened {os.fsdecode(path)}")
        elif event.startswith(_FORBIDDEN) and not _is_expected(event, arguments):
            tell(f"{event} {str(arguments)[:80]}")

    sys.addaudithook(hook)


def _is_expected(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "pickle.find_class":
        return arguments in _OF_THE_PARENT
    return event == "subprocess.Popen" and arguments[0] in _PROGRAMS


def is_allowed(path: str, flags: object, below: str) -> bool:
    """Whether judging a file may open this one: code and data of packages, the system's tables, the input's folder."""
    if path.endswith(_PATH_HOOK) or f"{path}{os.sep}" == below:
        return True
    writes = isinstance(flags, int) and flags & _WRITES
    return path.startswith((below, *(_WRITABLE if writes else _READABLE)))
