"""Damage to bytes that knows nothing of the format."""

import numpy as np

from fuzzing.draw import Rng, count, pick, spread


def damaged(rng: Rng, data: bytes, other: bytes) -> tuple[bytes, str]:
    """Return damaged bytes, and in words what was done.

    Args:
        rng: draws.
        data: a file.
        other: another file, of which a piece may be laid into this one.
    """
    words = []
    for _ in range(count(rng, 4)):
        data, said = pick(rng, _DAMAGES)(rng, data, other)
        words.append(said)
    return data, ", ".join(words)


def _flip(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    changed = np.frombuffer(data, np.uint8).copy()
    # Half the time only in the beginning, where headers are.
    room = len(changed) if rng.random() < 0.5 else min(len(changed), 2048)
    many = count(rng, 1000)
    if room:
        changed[rng.integers(room, size=many)] ^= (1 << rng.integers(8, size=many)).astype(np.uint8)
    return changed.tobytes(), f"{many} bits flipped"


def _truncate(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    keep = int(rng.integers(len(data) + 1))
    return (data[:keep], f"cut at {keep}") if rng.random() < 0.8 else (data[-keep:], f"last {keep} bytes")


def _delete(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    at, size = _stretch(rng, data)
    return data[:at] + data[at + size :], f"{size} bytes deleted"


def _insert(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    at, size = _stretch(rng, data)
    return data[:at] + rng.bytes(size) + data[at:], f"{size} bytes inserted"


def _repeat(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    at, size = _stretch(rng, data)
    times = count(rng, 8)
    return data[:at] + data[at : at + size] * times + data[at:], f"{size} bytes repeated {times} times"


def _blank(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    at, size = _stretch(rng, data)
    value = pick(rng, (b"\0", b"\xff", b"\x80"))
    return data[:at] + value * len(data[at : at + size]) + data[at + size :], f"{size} bytes blanked"


def _move(rng: Rng, data: bytes, _: bytes) -> tuple[bytes, str]:
    at, size = _stretch(rng, data)
    rest = data[:at] + data[at + size :]
    to = int(rng.integers(len(rest) + 1))
    return rest[:to] + data[at : at + size] + rest[to:], f"{size} bytes moved"


def _graft(rng: Rng, data: bytes, other: bytes) -> tuple[bytes, str]:
    at, size = _stretch(rng, data)
    begin = int(rng.integers(len(other) + 1))
    return data[:at] + other[begin : begin + size] + data[at + size :], f"{size} bytes of another file"


def _stretch(rng: Rng, data: bytes) -> tuple[int, int]:
    return int(rng.integers(len(data) + 1)), int(spread(rng, 1, max(2, len(data))))


_DAMAGES = (_flip, _flip, _truncate, _delete, _insert, _repeat, _blank, _move, _graft)
