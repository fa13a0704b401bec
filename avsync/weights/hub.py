"""Models of the Hugging Face hub: find them on this machine, or fetch them."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from threading import Thread
from typing import Any, TypeVar

from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.weights.catalogue import BIN, HUB, KNOWN, WEB, Known
from avsync.weights.folder import folder

T = TypeVar("T")

_SMALL = ("config.json", "preprocessor_config.json")
# In order of preference.
_WEIGHTS = ("model.safetensors", BIN)
_SHARDED = "model.safetensors.index.json"
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# How long the hub may take to answer (s), so that a user without a network knows within 5 s.
_PATIENCE = 4.0


@dataclass(frozen=True)
class Offer:
    """What a fetch would download.

    Attributes:
        known: the model.
        revision: the commit to fetch; empty for a file of the web.
        files: the size of each file in bytes.
        weights: the name of the file with the weights.
        sha256: of that file; empty if neither the catalogue nor the hub knows it.
    """

    known: Known
    revision: str
    files: dict[str, int]
    weights: str
    sha256: str


def ssl_folder(source: str) -> Path:
    """Return the folder of a speech model (`config.json` and its weights) on this machine.

    Args:
        source: a folder, or the hub id of a model in the folder of weights or in the cache of huggingface_hub.

    Raises:
        UsageError: it is not on this machine. The message says how to get it.
    """
    given = Path(source).expanduser()
    if _is_whole(given):
        return given
    if given.is_dir() or not _ID.fullmatch(source):
        raise UsageError(
            f"{source}: no speech model (config.json and model.safetensors); name a folder with one, or owner/name"
        )
    found = present(source)
    if found is None:
        how = KNOWN[source].how if source in KNOWN else f"read its licence, then run: hf download {source}"
        raise UsageError(f"{source}: not on this machine; {how}")
    return found


def present(name: str) -> Path | None:
    """Return the folder of a model of the hub; None if it is not on this machine."""
    kept = folder() / name
    return kept if _is_whole(kept) else _cached(name)


def fetchable(name: str) -> Known:
    """Return the catalogue entry of a model that may be fetched.

    Raises:
        UsageError: it may not be fetched. The message says what to do instead.
    """
    known = KNOWN.get(name)
    if known is None:
        raise UsageError(f"{name}: not in the list; read its licence, then fetch it yourself (hf download {name})")
    if known.kind not in (HUB, WEB):
        raise UsageError(f"{name}: its licence must be accepted by hand; {known.how}")
    return known


def offer(known: Known) -> Offer:
    """Ask the hub which files a model has.

    Raises:
        UsageError: the hub cannot be reached, or huggingface_hub is not installed.
    """
    hub = _library()
    try:
        info = within(_PATIENCE, lambda: hub.HfApi().model_info(known.name, files_metadata=True, timeout=_PATIENCE))
    except Exception as error:  # which errors huggingface_hub and its HTTP client raise depends on their versions
        raise _unreachable(known, error) from error
    files = {file.rfilename: file for file in info.siblings or ()}
    weights = next((weights for weights in _WEIGHTS if weights in files), None)
    if weights is None:
        raise UsageError(f"{known.name}: {known.page} has no weights that avsync can read any more")
    sizes = {wanted: files[wanted].size or 0 for wanted in (*_SMALL, weights) if wanted in files}
    stored = files[weights].lfs
    hub_sha256 = stored.sha256 if stored is not None else ""
    return Offer(known, info.sha, sizes, weights, (known.sha256 if weights == BIN else "") or hub_sha256)


def fetch(offered: Offer) -> Path:
    """Fetch the files and return their folder. An interrupted fetch is continued.

    Raises:
        UsageError: the connection broke, or the weights do not have the known sha256.
    """
    known, target, partial = offered.known, folder() / offered.known.name, _partial(offered.known.name)
    hub = _library()
    try:
        hub.snapshot_download(
            known.name, revision=offered.revision, local_dir=partial, allow_patterns=list(offered.files)
        )
    except Exception as error:  # as in `offer`
        raise _unreachable(known, error) from error
    _check(offered, partial)
    rmtree(partial / ".cache", ignore_errors=True)  # huggingface_hub's record of an unfinished fetch
    rmtree(target, ignore_errors=True)
    return partial.replace(target)


def _check(offered: Offer, partial: Path) -> None:
    for name, size in offered.files.items():
        path = partial / name
        if not path.is_file() or path.stat().st_size != size:
            raise UsageError(f"{offered.known.name}: {name} is incomplete; run the same command again")
    digest = sha256_of(partial / offered.weights)
    if offered.sha256 not in ("", digest):
        rmtree(partial)
        raise UsageError(
            f"{offered.known.name}: the weights have an unknown sha256, {digest}, and were deleted; try again later"
        )


def _library() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UsageError("fetching needs the package huggingface_hub: pip install 'avsync[ssl]'") from error
    return huggingface_hub


def _cached(name: str) -> Path | None:
    """The model's folder in the cache of huggingface_hub, if there is one."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return None
    config = try_to_load_from_cache(name, "config.json")
    place = Path(config).parent if isinstance(config, str) else None
    return place if place is not None and _is_whole(place) else None


def _partial(name: str) -> Path:
    return folder() / f"{name}.partial"


def _is_whole(place: Path) -> bool:
    return (place / "config.json").is_file() and any((place / name).is_file() for name in (*_WEIGHTS, _SHARDED))


def _unreachable(known: Known, error: Exception) -> UsageError:
    cause = error.__cause__ or error
    reason = (str(cause) or type(cause).__name__).splitlines()[0]
    return UsageError(
        f"{known.name}: cannot be fetched ({reason}); with a connection, run the same command again, "
        f"or copy the files from {known.page} to this machine and name their folder"
    )


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Return or raise what `ask` does, at most `seconds` later: the client's own timeouts count per address."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:  # passed on to the caller
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {seconds:g} s") from error
