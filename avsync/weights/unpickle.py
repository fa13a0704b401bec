"""Checkpoints that others pickled, read without running a line of what they bring along."""

import pickletools
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from avsync.errors import UsageError

_MAX_FILE, _MAX_PICKLE = 16 << 30, 64 << 20
_ZIP = b"PK\x03\x04"
# The magic number of PyTorch's older format: five pickles in a row, then the numbers.
_LEGACY, _LEGACY_PICKLES = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", 5

_STORAGES = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
# `_codecs.encode` is how pickles of protocol 2 write bytes: it encodes text, by codecs of Python itself.
_TENSORS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "_codecs encode"} | {
    f"torch {kind}Storage" for kind in _STORAGES
}
# Helpers and options that lie beside the tensors. Nothing of them is needed.
_INERT = {
    "argparse Namespace",
    "fairseq.data.dictionary Dictionary",
    "fairseq.data.encoders.sentencepiece_bpe SentencepieceBPE",
    "sentencepiece SentencePieceProcessor",
}


class Inert:
    """Stands in for an object of a class that is never imported: takes its state, and forgets it."""

    def __setstate__(self, state: object) -> None:
        """Forget."""


def unpickle(path: Path) -> dict[str, Any]:
    """What `torch.save` wrote: a dict of tensors (on the CPU, mapped from the file where its format allows) and more.

    Two guards stand behind each other: the names that the file asks for are read first and must all be known here,
    and PyTorch then reads it with `weights_only=True`, where the helper classes are `Inert`.

    Raises:
        UsageError: no such file, no checkpoint, a truncated one, or one that asks for anything else, such as code.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name a checkpoint (.pt) as its authors published it")
    if path.stat().st_size > _MAX_FILE:
        raise UsageError(f"{path}: larger than {_MAX_FILE >> 30} GB, so no checkpoint that is known here")
    try:
        zipped, names = _asked_for(path)
        strangers = sorted(name.replace(" ", ".") for name in names - _TENSORS - _INERT)
        if strangers:
            raise UsageError(
                f"{path}: asks for {', '.join(strangers[:3]):.200}, which no known checkpoint needs; "
                "nothing of it was run; get the file from its authors"
            )
        with torch.serialization.safe_globals([(Inert, name.replace(" ", ".")) for name in _INERT]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except UsageError:
        raise
    except Exception as error:  # damaged bytes make the readers raise whatever they stumble over
        raise UsageError(f"{path}: truncated or damaged, or no checkpoint of PyTorch; get the file again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds no dict of tensors; name a checkpoint as its authors published it")
    return content


def _asked_for(path: Path) -> tuple[bool, set[str]]:
    """Whether it is of the zip format, and "module name" of all that its pickles name."""
    with path.open("rb") as file:
        start = file.read(len(_LEGACY))
        if start.startswith(_ZIP):
            return True, _names(_zipped_pickle(path))
        if start != _LEGACY:
            raise ValueError("neither format of torch.save")
        stream = BytesIO(start + file.read(_MAX_PICKLE))
    return False, set().union(*(_names(stream) for _ in range(_LEGACY_PICKLES)))


def _zipped_pickle(path: Path) -> BytesIO:
    with ZipFile(path) as archive:
        (entry,) = (entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl"))
        if entry.file_size > _MAX_PICKLE:
            raise ValueError("pickle too large")
        return BytesIO(archive.read(entry))


def _names(pickle: BytesIO) -> set[str]:
    names = set()
    for operation, argument, _ in pickletools.genops(pickle):
        if operation.name in ("GLOBAL", "INST"):
            names.add(str(argument))
        elif operation.name == "STACK_GLOBAL" or operation.name.startswith("EXT"):  # of newer pickles, or of none
            names.add(operation.name)
    return names
