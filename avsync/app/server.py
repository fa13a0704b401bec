"""The addresses of the page, and what each of them answers."""

import json
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from avsync.app.guard import Door, Guard
from avsync.app.queue import Queue
from avsync.app.uploads import Refused, Uploads
from avsync.engine.traces import report as error_report
from avsync.report import to_csv, to_html, to_json
from avsync.score.verdict import Verdict

_ASSETS = {
    "/": ("index.html", "text/html"),
    "/app.css": ("app.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_EXPORTS: dict[str, tuple[Callable[[Sequence[Verdict]], str], str]] = {
    "html": (to_html, "text/html"),
    "json": (to_json, "application/json"),
    "csv": (to_csv, "text/csv"),
}
# The report runs its script in a world of its own: it cannot reach the page around it, nor use its cookie. What it may
# load, it says itself.
_REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'self'"
# What some system does not allow in the name of a file.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


class _Recording(FileResponse):
    """A file that may be removed at any time; then the answer breaks off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except (OSError, RuntimeError):
            if Path(self.path).exists():
                raise


class Site:
    """The page and its addresses; `stop` ends the server."""

    def __init__(self, queue: Queue, uploads: Uploads, stop: Callable[[], None]) -> None:
        self._queue, self._uploads, self._stop = queue, uploads, stop

    def app(self, door: Door) -> Guard:
        """Return the application, behind its guard."""
        routes = [
            *(Route(path, _asset(*asset)) for path, asset in _ASSETS.items()),
            Route("/items", self.told, methods=["GET"]),
            Route("/items", self.upload, methods=["POST"]),
            Route("/items/{id}", self.remove, methods=["DELETE"]),
            Route("/items/{id}/picture", self.picture),
            Route("/items/{id}/report", self.report),
            Route("/items/{id}/report.{kind}", self.export),
            Route("/report.{kind}", self.export_all),
            Route("/media/{id}", self.media),
            Route("/quit", self.quit, methods=["POST"]),
        ]
        return Guard(Starlette(routes=routes, exception_handlers={Exception: self._failed}), door)

    async def told(self, request: Request) -> Response:
        """Answer with all recordings, or with nothing if they are as they were at the version `seen`."""
        version, items = self._queue.told()
        if request.query_params.get("seen") == str(version):
            return Response(status_code=204)
        return _data({"version": version, "max_upload": self._uploads.most, "items": items})

    async def upload(self, request: Request) -> Response:
        """Take the body as a recording that the user calls `name`."""
        try:
            path = await self._uploads.save(request.stream(), int(request.headers.get("content-length", 0)))
        except Refused as refused:
            return _data({"error": refused.sentence}, refused.status)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return _data(self._queue.add(path, request.query_params.get("name") or "recording").told(), 201)

    async def remove(self, request: Request) -> Response:
        """Forget a recording, and delete its file."""
        return Response(status_code=204 if self._queue.remove(request.path_params["id"]) else 404)

    def report(self, request: Request) -> Response:
        """Answer with the report of a recording, whose player asks for the recording by its address here."""
        item = self._queue.get(request.path_params["id"])
        if item is None or item.verdict is None:
            return _missing()
        address = f"/media/{item.id}" if item.path is not None else None
        page = to_html([item.verdict], link=lambda _: address)
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": _REPORT_POLICY})

    def export(self, request: Request) -> Response:
        """Answer with a file: the report of one recording, which needs nothing of this server."""
        item = self._queue.get(request.path_params["id"])
        if item is None or item.verdict is None:
            return _missing()
        return _exported([item.verdict], request.path_params["kind"], PurePath(item.name).stem)

    def export_all(self, request: Request) -> Response:
        """Answer with a file: the report of all recordings."""
        return _exported(self._queue.verdicts(), request.path_params["kind"], "all")

    async def media(self, request: Request) -> Response:
        """Answer with a recording, or the part of it that is asked for."""
        item = self._queue.get(request.path_params["id"])
        if item is None or item.path is None:
            return _missing()
        guessed = guess_type(item.name)[0] or ""
        kind = guessed if guessed.startswith(("video/", "audio/")) else "application/octet-stream"
        # The report is of no origin; who knows the address may have the recording.
        return _Recording(item.path, media_type=kind, headers={"Cross-Origin-Resource-Policy": "cross-origin"})

    async def picture(self, request: Request) -> Response:
        """Answer with a small picture of a recording."""
        item = self._queue.get(request.path_params["id"])
        if item is None or item.picture is None:
            return _missing()
        kind, _, content = item.picture.removeprefix("data:").partition(";base64,")
        return Response(b64decode(content), media_type=kind)

    async def quit(self, request: Request) -> Response:
        """End the server, which deletes the files."""
        self._stop()
        return Response(status_code=204)

    async def _failed(self, _: Request, error: Exception) -> Response:
        self._queue.reports.append(error_report(error))
        return _data({"error": "There was an error in avsync."}, 500)


def _asset(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("avsync.app") / "static" / name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


def _exported(verdicts: Sequence[Verdict], kind: str, name: str) -> Response:
    if kind not in _EXPORTS:
        return _missing()
    render, media_type = _EXPORTS[kind]
    name = quote(_NOT_IN_NAMES.sub("_", f"avsync {name[:80]}.{kind}"))
    disposition = f"attachment; filename*=UTF-8''{name}"
    return Response(render(verdicts), media_type=media_type, headers={"Content-Disposition": disposition})


def _data(data: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(data, allow_nan=False), status, media_type="application/json")


def _missing() -> Response:
    return Response("There is no such recording.\n", 404, media_type="text/plain")
