"""Watches what is opened while an input is judged.

Seen: files that Python opens, its sockets and processes (audit hook, in the worker and in the processes it starts);
files beside the input that anything opens, FFmpeg too (inotify, Linux); connections to the decoy server. Not seen: a
file elsewhere that native code opens. No input knows such a name: references name the canary and the server.
"""

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_OPEN, _IN_NONBLOCK = 0x20, 0o4000


class Guard:
    """Watches one folder.

    Args:
        folder: where inputs lie.
        log: where the audit hooks write.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log.open("rb")
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        self._opened = _Opened(folder)

    @contextmanager
    def watching(self, *inputs: Path) -> Iterator[list[str]]:
        """Watch while the context lasts; the list holds what must not be there, at its end.

        Args:
            inputs: files that may be read; if there is a folder among them, anything may be done below it.
        """
        found = list[str]()
        self._log.seek(0, os.SEEK_END)
        self._opened.read()
        try:
            yield found
        finally:
            if not any(path.is_dir() for path in inputs):
                found += [f"opened {name}" for name in self._opened.read() - {path.name for path in inputs}]
            found += dict.fromkeys(self._log.read().decode().splitlines())
            found += self._connections()

    def _connections(self) -> list[str]:
        found = list[str]()
        while True:
            try:
                self._server.accept()[0].close()
            except BlockingIOError:
                return found
            found.append("connected to the decoy server")


class _Opened:
    """The files of a folder that any process opens, through Linux's inotify; elsewhere nothing is seen."""

    def __init__(self, folder: Path) -> None:
        self._handle = -1
        if sys.platform == "linux":
            library = ctypes.CDLL(None, use_errno=True)
            self._handle = library.inotify_init1(_IN_NONBLOCK)
            if library.inotify_add_watch(self._handle, os.fsencode(folder), _IN_OPEN) < 0:
                raise OSError(ctypes.get_errno(), f"cannot watch {folder}")

    def read(self) -> set[str]:
        """The names opened since the last call."""
        names = set[str]()
        while self._handle >= 0:
            try:
                events = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                break
            at = 0
            while at < len(events):
                size = struct.unpack_from("iIII", events, at)[3]
                names.add(os.fsdecode(events[at + 16 : at + 16 + size].rstrip(b"\0")))
                at += 16 + size
        return names - {""}
