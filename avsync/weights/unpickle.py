"""Read pickled checkpoints without running any code in them."""

import pickletools
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from avsync.errors import UsageError

_MAX_FILE, _MAX_PICKLE = 16 << 30, 64 << 20
_ZIP = b"PK\x03\x04"
# The magic number of PyTorch's older format: five pickles, then the tensors' bytes.
_LEGACY, _LEGACY_PICKLES = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", 5

_STORAGES = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
# Pickles of protocol 2 write bytes with `_codecs.encode`, which encodes text with Python's own codecs.
_TENSORS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "_codecs encode"} | {
    f"torch {kind}Storage" for kind in _STORAGES
}
# Classes of helpers and options stored beside the tensors; none of them is needed.
_INERT = {
    "argparse Namespace",
    "fairseq.data.dictionary Dictionary",
    "fairseq.data.encoders.sentencepiece_bpe SentencepieceBPE",
    "sentencepiece SentencePieceProcessor",
}


class Inert:
    """Replaces objects of classes that are never imported; their state is dropped."""

    def __setstate__(self, state: object) -> None:
        """Drop the state."""


def unpickle(path: Path) -> dict[str, Any]:
    """Read a dict that `torch.save` wrote, with tensors on the CPU (memory-mapped where the format allows).

    There are two guards. First, all names that the pickle refers to are read and must be known here. Then PyTorch
    reads it with `weights_only=True`, with `Inert` in place of the helper classes.

    Raises:
        UsageError: no such file, not a checkpoint, a truncated one, or one that refers to anything else, such as code.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name a published checkpoint (.pt)")
    if path.stat().st_size > _MAX_FILE:
        raise UsageError(f"{path}: larger than {_MAX_FILE >> 30} GB, which no known checkpoint is")
    try:
        zipped, names = _references(path)
        unknown = sorted(name.replace(" ", ".") for name in names - _TENSORS - _INERT)
        if unknown:
            raise UsageError(
                f"{path}: refers to {', '.join(unknown[:3]):.200}, which no known checkpoint needs; "
                "none of its code was run; get the file from its authors"
            )
        with torch.serialization.safe_globals([(Inert, name.replace(" ", ".")) for name in _INERT]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except UsageError:
        raise
    except Exception as error:  # damaged bytes can raise any error in the readers
        raise UsageError(f"{path}: truncated, damaged, or not a PyTorch checkpoint; get the file again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: does not contain a dict of tensors; name a published checkpoint")
    return content


def _references(path: Path) -> tuple[bool, set[str]]:
    """Whether the file has the zip format, and "module name" of everything its pickles refer to."""
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
        elif operation.name == "STACK_GLOBAL" or operation.name.startswith("EXT"):  # only in newer pickles
            names.add(operation.name)
    return names
