"""Weights that are one file of the web with a known hash: find them on this machine, or fetch them."""

from collections.abc import Iterable
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from avsync.errors import UsageError
from avsync.files import sha256_of, unfinished
from avsync.weights.catalogue import KNOWN, Known
from avsync.weights.folder import folder
from avsync.weights.hub import Offer, within

# How long the server may take to answer, and to send the next piece (s).
_PATIENCE = 4.0
_PIECE = 1 << 20
# A file may be this much larger than the catalogue says, which gives some sizes approximately.
_MARGIN = 1 << 20


def present(name: str, others: Iterable[Path] = ()) -> Path | None:
    """Return the file on this machine, whatever is in it; None if it is not there.

    Args:
        name: of the catalogue.
        others: folders to look in after the folder of weights.
    """
    paths = (place / KNOWN[name].file for place in (folder(), *others))
    return next((path for path in paths if path.is_file()), None)


def published_file(name: str, others: Iterable[Path] = ()) -> Path:
    """Return the file of these weights on this machine, after comparing its hash.

    Args:
        name: of the catalogue.
        others: folders to look in after the folder of weights.

    Raises:
        UsageError: it is not there, or has another content. The message says how to get it.
    """
    known = KNOWN[name]
    path = present(name, others)
    if path is None:
        raise UsageError(f"{known.file}: not on this machine; {known.how} (or copy it to {folder()})")
    if sha256_of(path) != known.sha256:
        raise UsageError(f"{path}: not the published file, its sha256 is another; delete it, then {known.how}")
    return path


def offer(known: Known) -> Offer:
    """What the catalogue says of the file; nobody is asked."""
    return Offer(known, "", {known.file: known.size}, known.file, known.sha256)


def fetch(offered: Offer) -> Path:
    """Fetch the file into the folder of weights, and return it. Nothing is kept of a fetch that fails.

    Raises:
        UsageError: the server cannot be reached, the connection broke, or the file does not have the known sha256.
    """
    known = offered.known
    path = folder() / known.file
    try:
        with unfinished(path) as partial:
            digest = _download(known, partial)
            if digest != known.sha256:
                raise UsageError(f"{known.name}: {known.url} has an unknown sha256, {digest}; nothing was kept")
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        reason = (str(cause) or type(cause).__name__).splitlines()[0]
        raise UsageError(
            f"{known.name}: cannot be fetched ({reason}); with a connection, run the same command again, "
            f"or copy {known.url} to {folder()}"
        ) from error
    return path


def _download(known: Known, path: Path) -> str:
    """Write the file to `path`, at most as many bytes as it may have, and return their sha256."""
    digest, received = sha256(), 0
    with within(_PATIENCE, lambda: urlopen(known.url, timeout=_PATIENCE)) as answer, path.open("wb") as file:
        while piece := answer.read(_PIECE):
            received += len(piece)
            if received > known.size + _MARGIN:
                raise UsageError(f"{known.name}: {known.url} is larger than the published file; nothing was kept")
            digest.update(piece)
            file.write(piece)
        if answer.length:  # what the server still owes
            raise HTTPException("the connection broke")
    return digest.hexdigest()
