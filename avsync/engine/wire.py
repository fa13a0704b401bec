"""How a worker process and the process that started it talk.

Jobs go down as pickles. Answers come up as lines of JSON, with the bytes of arrays behind them, never as pickles:
whoever takes over a worker by a hostile file must not run code in the process that reads its answers.
"""

import json
import pickle
from math import prod
from typing import IO, TYPE_CHECKING, Any

from avsync.engine.interface import MB, Arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZE = 8  # bytes of the length before a pickle
# No line is longer (bytes); the verdict on a day of video has a tenth of it, a proxy of ten minutes about half.
_LONGEST = 64 * MB
# No answer has more bytes of arrays; 50 s of a face with its sound have 65 MB.
_LARGEST = 512 * MB
_TYPES = frozenset({"|b1", "|u1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"})


class Ended(Exception):
    """The other side has closed its end."""


def write_order(pipe: IO[bytes], order: Any) -> None:
    """Send an object down."""
    content = pickle.dumps(order)
    pipe.write(len(content).to_bytes(_SIZE, "big") + content)
    pipe.flush()


def read_order(pipe: IO[bytes]) -> Any:
    """The next object from above.

    Raises:
        Ended: there is none.
    """
    size = _exactly(pipe, _SIZE)
    return pickle.loads(_exactly(pipe, int.from_bytes(size, "big")))


def write_answer(pipe: IO[bytes], message: dict[str, Any], arrays: Arrays) -> None:
    """Send plain data and arrays up."""
    import numpy as np

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    described = [[name, array.dtype.str, array.shape] for name, array in whole.items()]
    head = {**message, "arrays": described} if described else message
    pipe.write(json.dumps(head, allow_nan=False).encode() + b"\n")
    for array in whole.values():
        pipe.write(array.data.cast("B") if array.size else b"")
    pipe.flush()


def read_answer(pipe: IO[bytes]) -> tuple[dict[str, Any], Arrays]:
    """The next answer from below; one that is no JSON object is empty.

    Raises:
        Ended: there is none.
        ValueError: its arrays are none.
    """
    line = pipe.readline(_LONGEST)
    if not line.endswith(b"\n"):
        raise Ended
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}, {}
    if not isinstance(message, dict):
        return {}, {}
    return message, _arrays(pipe, message.pop("arrays", []))


def _arrays(pipe: IO[bytes], described: Any) -> Arrays:
    import numpy as np

    if not isinstance(described, list):
        raise ValueError("no list of arrays")
    found: dict[str, NDArray[Any]] = {}
    left = _LARGEST
    for entry in described:
        match entry:
            case [str() as name, str() as kind, [*shape]] if kind in _TYPES and all(map(_is_length, shape)):
                left -= (size := prod(shape) * np.dtype(kind).itemsize)
                if left < 0:
                    raise ValueError("too many bytes")
                found[name] = np.frombuffer(bytearray(_exactly(pipe, size)), kind).reshape(shape)
            case _:
                raise ValueError("no array")
    return found


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise Ended
    return content
