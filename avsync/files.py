"""Files on disk: written whole or not at all, known by what they hold."""

from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from torch import Tensor


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole; its folder is made.

    Several processes may write the same file: each has an unfinished one of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid4().hex}.partial")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def content_key(sha256: str, audio_sha256: str | None = None) -> str:
    """The key of a recording in caches, made of the hash of its file, and of its sound where that is a file too."""
    return sha256 if audio_sha256 is None else f"{sha256}-{audio_sha256}"


def all_finite(tensor: "Tensor") -> bool:
    """True if all values are finite. aminmax() propagates NaN, so two values suffice: ten times as fast as isfinite."""
    return not tensor.numel() or all(bool(bound.isfinite()) for bound in tensor.aminmax())
