"""Read pickled checkpoints without running any code in them."""

import pickletools
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch

from avsync.errors import UsageError
from avsync.weights.claims import STORAGES, claimed_bytes

_MAX_FILE, _MAX_PICKLE = 16 << 30, 64 << 20
# AV-HuBERT large has some ten thousand operations, and a few thousand tuples. A million take half a second; ten times
# as many tuples in one another would overflow Python's stack.
_MAX_OPERATIONS, _MAX_TUPLES = 1_000_000, 50_000
_ZIP = b"PK\x03\x04"
# The magic number of PyTorch's older format: five pickles, then the tensors' bytes.
_LEGACY, _LEGACY_PICKLES = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", 5

# Pickles of protocol 2 write bytes with `_codecs.encode`, which encodes text with Python's own codecs.
_TENSORS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "_codecs encode"} | {
    f"torch {kind}Storage" for kind in STORAGES
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

    There are three guards. First, all names that the pickle refers to are read and must be known here. Then what its
    tensors claim is added up and must fit into the file. Then PyTorch reads it with `weights_only=True`, with `Inert`
    in place of the helper classes.

    Raises:
        UsageError: no such file, not a checkpoint, a truncated one, one that refers to anything else, such as code, or
            one that claims more values than it has.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name a published checkpoint (.pt)")
    if path.stat().st_size > _MAX_FILE:
        raise UsageError(f"{path}: larger than {_MAX_FILE >> 30} GB, which no known checkpoint is")
    try:
        zipped, pickles = _pickles(path)
        names = set().union(*map(_names, pickles))
        unknown = sorted(name.replace(" ", ".") for name in names - _TENSORS - _INERT)
        if unknown:
            raise UsageError(
                f"{path}: refers to {', '.join(unknown[:3]):.200}, which no known checkpoint needs; "
                "none of its code was run; get the file from its authors"
            )
        if claimed_bytes(pickles) > path.stat().st_size:
            raise UsageError(f"{path}: truncated, damaged, or claims more values than it holds; get the file again")
        with torch.serialization.safe_globals([(Inert, name.replace(" ", ".")) for name in _INERT]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except UsageError:
        raise
    except Exception as error:  # damaged bytes can raise any error in the readers
        raise UsageError(f"{path}: truncated, damaged, or not a PyTorch checkpoint; get the file again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: does not contain a dict of tensors; name a published checkpoint")
    return content


def _pickles(path: Path) -> tuple[bool, list[bytes]]:
    """Whether the file has the zip format, and the pickles in it."""
    with path.open("rb") as file:
        start = file.read(len(_LEGACY))
        if start.startswith(_ZIP):
            return True, [_zipped_pickle(path)]
        if start != _LEGACY:
            raise ValueError("neither format of torch.save")
        content = start + file.read(_MAX_PICKLE)
    stream, pickles = BytesIO(content), []
    for _ in range(_LEGACY_PICKLES):
        begin = stream.tell()
        _names_in(stream)
        pickles.append(content[begin : stream.tell()])
    return False, pickles


def _zipped_pickle(path: Path) -> bytes:
    with ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):  # torch.save compresses nothing
            raise ValueError("compressed")
        (entry,) = (entry for entry in entries if entry.filename.endswith("/data.pkl"))
        if entry.file_size > _MAX_PICKLE:
            raise ValueError("pickle too large")
        return archive.read(entry)


def _names(pickle: bytes) -> set[str]:
    return _names_in(BytesIO(pickle))


def _names_in(stream: BytesIO) -> set[str]:
    """Return "module name" of everything that the next pickle in the stream refers to."""
    names, tuples = set(), 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        tuples += operation.name.startswith("TUPLE")
        if count > _MAX_OPERATIONS or tuples > _MAX_TUPLES:
            raise ValueError("too many operations")
        if operation.name.endswith("PUT") and int(argument or 0) > count:
            # Python's own reader makes its memo as long as the largest number in it: 34 GB for 5 bytes.
            raise ValueError("a number beyond the memo")
        if operation.name in ("GLOBAL", "INST"):
            names.add(str(argument))
        elif operation.name == "STACK_GLOBAL" or operation.name.startswith("EXT"):  # only in newer pickles
            names.add(operation.name)
    return names
