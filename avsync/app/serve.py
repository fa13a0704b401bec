"""Starts the server, opens the page in the browser, and ends when the user says so."""

import errno
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import uvicorn

from avsync.app.guard import Door, is_loopback
from avsync.app.history import History
from avsync.app.queue import Queue
from avsync.app.server import Site
from avsync.app.uploads import MB, Uploads
from avsync.errors import UsageError
from avsync.isolation import IsolatedDetector

# Seconds that transfers have to end by themselves when the server ends.
_GRACE = 1
_ALL = {"0.0.0.0", "::"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `avsync app` was asked for.

    Attributes:
        host, port: where the server listens; if the port is taken, it takes a free one.
        open_browser: whether to open the page.
        keep: the file of the history; None: nothing is kept.
        max_upload: megabytes that a recording may have.
        jobs: how many recordings are judged side by side.
    """

    host: str
    port: int
    open_browser: bool
    keep: Path | None
    max_upload: int
    jobs: int


def serve(detector: IsolatedDetector, folder: Path, settings: Settings, say: Callable[[str], None]) -> list[str]:
    """Serve the page until the user ends it: by Ctrl-C, a signal, or the button on the page. For the main thread.

    Args:
        detector: judges the recordings.
        folder: where they are meanwhile. The caller closes the detector, then deletes the folder.
        settings: where, and within which limits.
        say: is given each line for the user.

    Returns:
        Reports of errors in avsync, without personal data.

    Raises:
        UsageError: the host, the port or the history cannot be used.
    """
    with ExitStack() as stack:
        listening = stack.enter_context(bind(settings.host, settings.port))
        history = History(settings.keep) if settings.keep else None
        if history is not None:
            stack.callback(history.close)
        queue = Queue(detector, jobs=settings.jobs, history=history)
        stack.callback(queue.close)
        door = Door(settings.host)
        site = Site(queue, Uploads(folder, settings.max_upload * MB), lambda: _end(server))
        server = _server(site, door)
        _welcome(listening, settings, door, say)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
        return queue.reports


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, or at a free port if that one is taken.

    Raises:
        UsageError: it cannot listen there.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, address = found[0]
        listening = socket.socket(family, kind)
        if os.name == "posix":  # elsewhere it would let a second server take the same port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            listening.bind((address[0], 0, *address[2:]))
        listening.listen()
    except OSError as error:
        raise UsageError(f"--host {host} --port {port}: cannot listen there ({error.strerror})") from error
    return listening


def _server(site: Site, door: Door) -> uvicorn.Server:
    config = uvicorn.Config(
        site.app(door),
        log_config=None,
        log_level="critical",  # `Site` reports what goes wrong; the names of files are in no log
        access_log=False,
        server_header=False,
        http="h11",
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
    )
    server = uvicorn.Server(config)
    # It takes SIGINT and SIGTERM for itself, and sends them again when it has ended. What nohup ignores stays ignored.
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP", "SIGBREAK")):
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: _end(server))
    return server


def _end(server: uvicorn.Server) -> None:
    server.should_exit = True


def _welcome(listening: socket.socket, settings: Settings, door: Door, say: Callable[[str], None]) -> None:
    port = listening.getsockname()[1]
    if settings.port not in (0, port):
        say(f"port {settings.port} is taken: the page has port {port}")
    if not is_loopback(settings.host):
        say(
            f"warning: --host {settings.host}: other computers reach the page, and what is sent is not encrypted; only "
            "the key in the address keeps them out"
        )
    name = socket.gethostname() if settings.host in _ALL else settings.host
    address = f"http://{f'[{name}]' if ':' in name else name}:{port}/?key="
    say(f"the page is at {address}{door.key} (Ctrl-C ends it and deletes the uploaded files)")
    if settings.open_browser and _has_screen():
        # The command line that starts a browser can be seen by other users: its key works once.
        Thread(target=webbrowser.open, args=(address + door.ticket(),), daemon=True).start()


def _has_screen() -> bool:
    """Whether a browser would get a window; without, Python starts one that takes over the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
