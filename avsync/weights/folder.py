"""The folder of published weights on this machine, and how to find a file in it."""

import json
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from avsync.errors import UsageError
from avsync.files import upcoming
from avsync.weights.catalogue import AVHALIGN, AVHUBERT, KNOWN

_WORDS = {AVHUBERT: "AV-HuBERT weights", AVHALIGN: "AVH-Align head"}
# The JSON file beside a trained model has a few kB.
_MAX_NOTES = 16 << 20


@dataclass(frozen=True)
class Description:
    """The header of a file of weights.

    Attributes:
        format: such as `avsync.avhubert/1`; empty if avsync did not write the file.
        parameters: number of values.
        licence: empty if the header has none.
        source_sha256: of the published file it was converted from; empty if there was none.
    """

    format: str = ""
    parameters: int = 0
    licence: str = ""
    source_sha256: str = ""

    @property
    def words(self) -> str:
        """The format in words."""
        return words(self.format)


def words(format: str) -> str:
    """Return the name of a format in words."""
    return _WORDS.get(format, format)


def folder() -> Path:
    """Return the folder of weights: $AVSYNC_WEIGHTS, else `avsync/weights` in the user's cache. It may not exist."""
    if named := os.environ.get("AVSYNC_WEIGHTS"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "avsync" / "weights"


def find(source: str | None, format: str) -> Path:
    """Return the safetensors file of a source.

    Args:
        source: a path, or the name of a file in `folder()`; None: the only file of that format in it.
        format: such as `avsync.avhubert/1`.

    Raises:
        UsageError: no such file, several candidates, or a file of another format. The message says how to get one.
    """
    if source is None:
        return _only(format)
    for path in (Path(source).expanduser(), folder() / f"{source}.safetensors"):
        if path.is_file():
            return _checked(path, format)
    if source in KNOWN:
        raise UsageError(f"{source}: not on this machine; {KNOWN[source].how}")
    raise UsageError(f"{source}: neither a file nor a name in {folder()}; 'avsync weights list' shows the known names")


def describe(path: Path) -> Description:
    """Read the header of a safetensors file, or the JSON file beside it if the header has no format.

    The description is empty if the file cannot be read or avsync did not write it.
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
    beside = path.with_suffix(".json")
    for place in (beside, upcoming(beside)):  # a save that was killed leaves the second
        try:
            with place.open("rb") as file:
                notes = json.loads(file.read(_MAX_NOTES))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(notes, dict):
            return notes
    return {}


def _checked(path: Path, format: str) -> Path:
    if path.suffix in (".pt", ".pth"):
        raise UsageError(
            f"{path}: a published checkpoint; run 'avsync weights convert {path}' and name the file it writes"
        )
    found = describe(path)
    if found.format != format:
        known = f"but {found.words}" if found.format else "written by avsync, or truncated"
        raise UsageError(f"{path}: not {words(format)} {known}; 'avsync weights list' says how to get them")
    return path


def _only(format: str) -> Path:
    files = [path for path in sorted(folder().glob("*.safetensors")) if describe(path).format == format]
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(path.stem for path in files)
        raise UsageError(f"{words(format)}: several in {folder()}; name one of {names}")
    ways = [known.how for known in KNOWN.values() if known.kind == format]
    raise UsageError(f"{words(format)}: none in {folder()}" + (f"; {ways[-1]}" if ways else ""))
