"""Models of the Hugging Face hub: found on this machine, or fetched to it."""

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
from avsync.weights.catalogue import BIN, HUB, KNOWN, Known
from avsync.weights.folder import folder

T = TypeVar("T")

_SMALL = ("config.json", "preprocessor_config.json")
# In the order in which they are preferred.
_WEIGHTS = ("model.safetensors", BIN)
_SHARDED = "model.safetensors.index.json"
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# How long the hub may take to say what it has (s): being offline is said within 5 s.
_PATIENCE = 4.0


@dataclass(frozen=True)
class Offer:
    """What the hub would send.

    Attributes:
        known: the model.
        revision: the commit that is fetched.
        files: bytes of each file.
        weights: which of the files holds the weights.
        sha256: of that file; empty where neither the catalogue nor the hub says it.
    """

    known: Known
    revision: str
    files: dict[str, int]
    weights: str
    sha256: str


def ssl_folder(source: str) -> Path:
    """The folder of a speech model (`config.json` and its weights), without asking the network.

    Args:
        source: a folder, or the id of a model of the hub, which is looked for in `avsync.weights.folder()` and in the
            cache of huggingface_hub.

    Raises:
        UsageError: it is not on this machine; says what to do.
    """
    given = Path(source).expanduser()
    if _is_whole(given):
        return given
    if given.is_dir() or not _ID.fullmatch(source):
        raise UsageError(f"{source}: no speech model (config.json and model.safetensors); name a folder, or owner/name")
    found = present(source)
    if found is None:
        how = KNOWN[source].how if source in KNOWN else f"read its licence, then run: hf download {source}"
        raise UsageError(f"{source}: not on this machine; {how}")
    return found


def present(name: str) -> Path | None:
    """The folder of this model of the hub, if it is on this machine."""
    kept = folder() / name
    return kept if _is_whole(kept) else _cached(name)


def fetchable(name: str) -> Known:
    """The model of this name, if it is one of the hub that is known here.

    Raises:
        UsageError: it may not be fetched; says what to do.
    """
    known = KNOWN.get(name)
    if known is None:
        raise UsageError(f"{name}: not known here; read its licence, then fetch it yourself (hf download {name})")
    if known.kind != HUB:
        raise UsageError(f"{name}: not to be fetched by a program; {known.how}")
    return known


def offer(known: Known) -> Offer:
    """Ask the hub for a model.

    Raises:
        UsageError: the hub is out of reach, or its library missing; says what to do.
    """
    hub = _library()
    try:
        info = _within(_PATIENCE, lambda: hub.HfApi().model_info(known.name, files_metadata=True, timeout=_PATIENCE))
    except Exception as error:  # whatever the hub's library and its HTTP client raise: it depends on their versions
        raise _unreachable(known, error) from error
    files = {file.rfilename: file for file in info.siblings or ()}
    weights = next((weights for weights in _WEIGHTS if weights in files), None)
    if weights is None:
        raise UsageError(f"{known.name}: {known.page} no longer has weights that avsync can read")
    sizes = {wanted: files[wanted].size or 0 for wanted in (*_SMALL, weights) if wanted in files}
    stored = files[weights].lfs
    said = stored.sha256 if stored is not None else ""
    return Offer(known, info.sha, sizes, weights, (known.sha256 if weights == BIN else "") or said)


def fetch(offered: Offer) -> Path:
    """Fetch the files into `folder()`, going on where an interrupted fetch stopped, and hand out their folder.

    Raises:
        UsageError: the connection broke, or other bytes came than are known.
    """
    known, target, partial = offered.known, folder() / offered.known.name, _partial(offered.known.name)
    hub = _library()
    try:
        hub.snapshot_download(
            known.name, revision=offered.revision, local_dir=partial, allow_patterns=list(offered.files)
        )
    except Exception as error:  # as above
        raise _unreachable(known, error) from error
    _check(offered, partial)
    rmtree(partial / ".cache", ignore_errors=True)  # the library's notes for going on
    rmtree(target, ignore_errors=True)
    return partial.replace(target)


def _check(offered: Offer, partial: Path) -> None:
    for name, size in offered.files.items():
        path = partial / name
        if not path.is_file() or path.stat().st_size != size:
            raise UsageError(f"{offered.known.name}: {name} came incomplete; run the same command again")
    digest = sha256_of(partial / offered.weights)
    if offered.sha256 not in ("", digest):
        rmtree(partial)
        raise UsageError(f"{offered.known.name}: not the known weights but of sha256 {digest}; they were removed again")


def _library() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UsageError("fetching needs the package huggingface_hub: pip install 'avsync[ssl]'") from error
    return huggingface_hub


def _cached(name: str) -> Path | None:
    """Where huggingface_hub keeps this model, if it is installed and does."""
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
        f"or bring the files of {known.page} here and name their folder"
    )


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns or raises. A connection that swallows packets is given up; timeouts count per address."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:  # handed to the caller
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {seconds:g} s") from error
