"""Where weights of others lie on this machine, and how they are found there."""

import json
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from avsync.errors import UsageError
from avsync.weights.catalogue import AVHALIGN, AVHUBERT, KNOWN

_WORDS = {AVHUBERT: "AV-HuBERT weights", AVHALIGN: "AVH-Align head"}
# The JSON file beside a trained model has some kB.
_MAX_NOTES = 16 << 20


@dataclass(frozen=True)
class Description:
    """What a file of weights says of itself.

    Attributes:
        format: such as `avsync.avhubert/1`; empty: not a file that avsync wrote.
        parameters: how many numbers it holds.
        licence: empty where it says nothing.
        source_sha256: of the published file that it was converted from; empty where there was none.
    """

    format: str = ""
    parameters: int = 0
    licence: str = ""
    source_sha256: str = ""

    @property
    def words(self) -> str:
        """What it is, for people."""
        return words(self.format)


def words(format: str) -> str:
    """What a format is called by people."""
    return _WORDS.get(format, format)


def folder() -> Path:
    """The folder of weights, which need not exist: $AVSYNC_WEIGHTS, else `avsync/weights` in the user's cache."""
    if named := os.environ.get("AVSYNC_WEIGHTS"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "avsync" / "weights"


def find(source: str | None, format: str) -> Path:
    """The safetensors file that is meant.

    Args:
        source: a path, or the name of a file in `folder()`; None: the only file of that format there.
        format: such as `avsync.avhubert/1`.

    Raises:
        UsageError: there is none, or several, or it is of another format; says how to get one.
    """
    if source is None:
        return _only(format)
    for path in (Path(source).expanduser(), folder() / f"{source}.safetensors"):
        if path.is_file():
            return _checked(path, format)
    if source in KNOWN:
        raise UsageError(f"{source}: not on this machine; {KNOWN[source].how}")
    raise UsageError(f"{source}: neither a file nor a name in {folder()}; 'avsync weights list' shows what is known")


def describe(path: Path) -> Description:
    """Read the header of a safetensors file, and the JSON file beside it where its format is said there.

    Of a file that cannot be read, and of one that avsync did not write, the description is empty.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            notes = file.metadata() or {}
            parameters = sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return Description()
    if not notes.get("format", "").startswith("avsync."):
        notes = _notes_beside(path)
    fields = (notes.get(name, "") for name in ("format", "licence", "source_sha256"))
    format, licence, source = (value if isinstance(value, str) else "" for value in fields)
    return Description(format, parameters, licence, source)


def _notes_beside(path: Path) -> dict[str, object]:
    try:
        with path.with_suffix(".json").open("rb") as file:
            notes = json.loads(file.read(_MAX_NOTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _checked(path: Path, format: str) -> Path:
    if path.suffix in (".pt", ".pth"):
        raise UsageError(f"{path}: a file as published; run 'avsync weights convert {path}' and name what it writes")
    found = describe(path)
    if found.format != format:
        known = f"but {found.words}" if found.format else "that avsync wrote, or cut off"
        raise UsageError(f"{path}: not {words(format)} {known}; 'avsync weights list' says how to get them")
    return path


def _only(format: str) -> Path:
    files = [path for path in sorted(folder().glob("*.safetensors")) if describe(path).format == format]
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(path.stem for path in files)
        raise UsageError(f"{words(format)}: several are in {folder()}; name one of {names}")
    ways = [known.how for known in KNOWN.values() if known.kind == format]
    raise UsageError(f"{words(format)}: none in {folder()}" + (f"; {ways[-1]}" if ways else ""))
