"""Who may talk to the server, and what every answer forbids the browser."""

from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from secrets import compare_digest, token_urlsafe
from socket import gethostname
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Everyone may have these: they are the same for all, or (recordings) have an address that nobody can guess.
_OPEN = ("/app.css", "/app.js", "/icon.svg", "/media/")
# The page runs its own script only, and that script can write no markup: Trusted Types forbid it.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _PAGE_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_COOKIE = "avsync"
_HEAD = '<!DOCTYPE html><html lang="en"><title>avsync</title><link rel="icon" href="/icon.svg">'
_ENTER = _HEAD + '<meta http-equiv="refresh" content="0;url={home}">'
_LOCKED = (
    _HEAD + '<link rel="stylesheet" href="/app.css"><main><h1>This page is locked</h1>'
    "<p>Open the whole address that avsync printed when it started. It ends with a key that only you have.</p></main>"
)


class Door:
    """The keys of one session: other users of this computer reach the port too, but have no key.

    Attributes:
        key: opens the page, as often as its owner likes; it is printed on the terminal.
        cookie: what a browser has after it used a key.
        home: the path of the page. Browsers send a cookie to all ports of a computer, so also to the servers of other
            users; but only to paths for which it was set, and this one nobody else knows.
    """

    def __init__(self, host: str) -> None:
        """Make new keys for a server that listens at `host`."""
        self.key, self.cookie, self.home = token_urlsafe(32), token_urlsafe(32), f"/{token_urlsafe(32)}/"
        self._tickets = set[str]()
        self._open_to_network = not is_loopback(host)
        own = gethostname().lower()
        self._names = _LOOPBACK | {host.lower()} | ({own, f"{own}.local"} if self._open_to_network else set())

    def ticket(self) -> str:
        """Return a key that opens once: other users see the command line that starts a browser."""
        ticket = token_urlsafe(32)
        self._tickets.add(ticket)
        return ticket

    def opens(self, key: str) -> bool:
        """Whether a key opens; a ticket is used up."""
        if key in self._tickets:
            self._tickets.discard(key)
            return True
        return _same(key, self.key)

    def knows(self, cookies: str) -> bool:
        """Whether a Cookie header has the cookie of this session."""
        try:
            found = SimpleCookie(cookies).get(_COOKIE)
        except CookieError:
            return False
        return found is not None and _same(found.value, self.cookie)

    def answers_to(self, host: str) -> bool:
        """Whether a Host header is one of this server.

        Another name may be a stranger's, who leads it here so that their page counts as ours (DNS rebinding).
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or (self._open_to_network and _is_number(name))


class Guard:
    """Refuses requests of strangers before anything else reads them, and adds the headers that bind the browser."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != "http":
            return

        async def send_bound(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(Request(scope))
        within = {**scope, "path": f"/{scope['path'].removeprefix(self._door.home).removeprefix('/')}"}
        await (self._app if answer is None else answer)(within, receive, send_bound)

    def _answer(self, request: Request) -> Response | None:
        """Return what a request gets in place of what it asks for; None: it may have that."""
        path, key = request.url.path, request.query_params.get("key")
        if not self._door.answers_to(request.headers.get("host", "")):
            return PlainTextResponse("This is avsync, but not under this name.\n", 421)
        if request.method not in ("GET", "HEAD") and not _from_own_page(request.headers):
            return PlainTextResponse("Only the page of avsync may do this.\n", 403)
        if path == "/" and key is not None and self._door.opens(key):
            return _entered(self._door)
        at_home = path.startswith(self._door.home) and self._door.knows(request.headers.get("cookie", ""))
        return None if at_home or path.startswith(_OPEN) else HTMLResponse(_LOCKED, 403)


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches a host."""
    return host.lower() == "localhost" or (_is_number(host) and ip_address(host).is_loopback)


def _from_own_page(headers: Headers) -> bool:
    """Whether the browser says that a request comes from a page of this server: same name, same port."""
    # Browsers before 2023 do not say the site.
    site = headers.get("sec-fetch-site", "same-origin")
    return headers.get("origin") == f"http://{headers.get('host')}" and site == "same-origin"


def _entered(door: Door) -> Response:
    """Return a page that leads to the page: unlike a redirect, it makes the browser send a strict cookie at once."""
    response = HTMLResponse(_ENTER.format(home=door.home))
    response.set_cookie(_COOKIE, door.cookie, path=door.home, httponly=True, samesite="strict")
    return response


def _same(given: str, secret: str) -> bool:
    return compare_digest(given.encode(), secret.encode())


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
