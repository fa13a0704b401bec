"""How many bytes of tensors a pickle of PyTorch claims, counted without making a tensor or importing a name in it."""

import pickle
from collections import OrderedDict
from collections.abc import Iterable
from io import BytesIO
from typing import Any

# The kinds of storage, and the bytes of a value.
STORAGES = {
    "Float": 4,
    "Half": 2,
    "BFloat16": 2,
    "Double": 8,
    "Long": 8,
    "Int": 4,
    "Short": 2,
    "Char": 1,
    "Byte": 1,
    "Bool": 1,
}
# Tied weights are two tensors in one storage, so tensors may have more values than their storages, but not many more.
_SHARED = 2


def claimed_bytes(pickles: Iterable[bytes]) -> float:
    """The bytes that the storages claim, or half of what the tensors claim if that is more.

    A tensor that repeats its values by strides of 0 claims more than its storage has.

    Raises:
        Exception: of any kind, if the pickles are damaged. Their names must be known to be harmless.
    """
    storages, tensors = dict[str, int](), 0
    for content in pickles:
        claims = _Claims(BytesIO(content))
        claims.load()
        storages |= {key: max(size, storages.get(key, 0)) for key, size in claims.storages.items()}
        tensors += claims.tensors
    return max(sum(storages.values()), tensors / _SHARED)


class _Claims(pickle.Unpickler):
    """Counts instead of building: every name stands for something of this module."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, int] = {}
        self.tensors = 0

    def find_class(self, module: str, name: str) -> Any:
        """Nothing is imported."""
        kind = name.removesuffix("Storage")
        known: dict[str, Any] = {
            "_rebuild_tensor_v2": self._tensor,
            "OrderedDict": OrderedDict,
            "encode": _nothing,
        }
        return STORAGES[kind] if module == "torch" and kind in STORAGES else known.get(name, _Anything)

    def persistent_load(self, pid: Any) -> int:
        """The bytes of a value of a storage, which is ("storage", kind, key, place, number of values, …)."""
        _, itemsize, key, _, count, *_ = pid
        self.storages[str(key)] = max(_natural(count) * itemsize, self.storages.get(str(key), 0))
        return int(itemsize)

    def _tensor(self, itemsize: int, _offset: int, size: tuple[int, ...], _stride: tuple[int, ...], *_: Any) -> None:
        values = 1
        for length in size:
            values *= _natural(length)
        self.tensors += values * itemsize


class _Anything:
    """Stands for the helpers and options beside the tensors."""

    def __new__(cls, *_: object, **__: object) -> "_Anything":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Drop the state."""


def _nothing(*_: object) -> bytes:
    return b""


def _natural(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 1 << 63:
        raise ValueError("no number of values")
    return number
