"""Lies in the fields of containers: sizes of boxes and chunks, entries of tables, times, counts."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from fuzzing.draw import Rng, count, lie, pick

Order = Literal["big", "little"]


class Field(NamedTuple):
    """An unsigned number in a file. `marker`: bits that stay as they are (EBML's length of a number)."""

    at: int
    size: int
    order: Order = "big"
    marker: int = 0


Fields = tuple[list[Field], list[Field]]  # those that hold a size or type; others


def lied(rng: Rng, data: bytes, name: str) -> tuple[bytes, str]:
    """Return the file with lies in 1 to 8 of its fields, or with a box or chunk removed, and in words what was done.

    Args:
        rng: draws.
        data: a file.
        name: of its kind, in `fuzzing.clips.KINDS`.
    """
    sizes, values = _PARSERS.get(name, _any)(data)
    changed, words = bytearray(data), list[str]()
    for _ in range(count(rng, 8)):
        group = sizes if sizes and (not values or rng.random() < 0.4) else values
        if not group:
            break
        at, size, order, marker = pick(rng, group)
        old = int.from_bytes(changed[at : at + size], order)
        new = lie(rng, old & ~marker, 8 * size) & (marker - 1 if marker else -1) | marker
        changed[at : at + size] = new.to_bytes(size, order)
        words.append(f"{old:#x} at {at} is {new:#x}")
    said = ", ".join(words) or "nothing"
    return (_with_sums(changed) if name == "ogg" else bytes(changed)), said


_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"dinf", b"udta", b"mfra"}


def _atoms(data: bytes) -> Fields:
    """MP4, MOV, 3GP, M4A: size and type of each box; words of all boxes but the media data."""
    sizes, values = [], []
    for at, head, end, kind in _boxes(data, 0, len(data)):
        sizes += [Field(at, 4), Field(at + 4, 4)]
        if kind not in _BOXES and kind != b"mdat":
            values += [Field(i, 4) for i in range(at + head, min(end, at + head + 256) - 3, 4)]
    return sizes, values


def _boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int, bytes]]:
    while begin + 8 <= end:
        size, kind = int.from_bytes(data[begin : begin + 4], "big"), data[begin + 4 : begin + 8]
        stop = min(end, begin + max(8, size))
        yield begin, 8, stop, kind
        if kind in _BOXES:
            yield from _boxes(data, begin + 8, stop)
        begin = stop


_MASTERS = {
    *(0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1F43B675, 0xA0, 0x1C53BB6B),
    *(0x114D9B74, 0x4DBB, 0xBB, 0xB7, 0x1254C367),
}


def _ebml(data: bytes) -> Fields:
    """Matroska, WebM: the size of each element; values, and track and time of blocks."""
    sizes, values = [], []
    for at, width, payload, end, master in _elements(data, 0, len(data)):
        sizes += [Field(at, width, "big", 1 << (7 * width)), Field(payload, 1)]
        if not master and end > payload:
            values.append(Field(payload, min(8, end - payload)))
            values.append(Field(payload, min(4, end - payload)))
    return sizes, values


def _elements(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int, int, bool]]:
    while begin + 2 <= end and data[begin]:
        wide = 9 - data[begin].bit_length()
        number = int.from_bytes(data[begin : begin + wide], "big")
        at = begin + wide
        if at >= end or not data[at]:
            return
        width = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + width], "big") & ((1 << (7 * width)) - 1)
        payload = at + width
        stop = min(end, payload + size)
        yield at, width, payload, stop, number in _MASTERS
        if number in _MASTERS:
            yield from _elements(data, payload, stop)
        begin = stop


def _riff(data: bytes) -> Fields:
    """AVI, WAV: the size and the name of each chunk; words of all chunks but the media data."""
    sizes, values = [], []
    for at, end, kind in _chunks(data, 0, len(data)):
        sizes += [Field(at + 4, 4, "little"), Field(at, 4, "little")]
        if kind in (b"avih", b"strh", b"strf", b"fmt ", b"idx1", b"indx"):
            values += [Field(i, 4, "little") for i in range(at + 8, min(end, at + 136) - 3, 4)]
            values += [Field(i, 2, "little") for i in range(at + 8, min(end, at + 72) - 1, 2)]
    return sizes, values


def _chunks(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    while begin + 8 <= end:
        kind, size = data[begin : begin + 4], int.from_bytes(data[begin + 4 : begin + 8], "little")
        stop = min(end, begin + 8 + size)
        yield begin, stop, kind
        if kind in (b"RIFF", b"LIST"):
            yield from _chunks(data, begin + 12, stop)
        begin = stop + size % 2


def _asf(data: bytes) -> Fields:
    """ASF: the size of each object of the header; words of the header."""
    sizes, values, at = [Field(16, 8, "little"), Field(24, 4, "little")], [], 30
    end = int.from_bytes(data[16:24], "little")
    while at + 24 <= min(end, len(data)):
        size = int.from_bytes(data[at + 16 : at + 24], "little")
        sizes.append(Field(at + 16, 8, "little"))
        values += [Field(i, 4, "little") for i in range(at + 24, min(at + size, at + 280) - 3, 4)]
        at += max(24, size)
    return sizes, values + [Field(i, 4, "little") for i in range(end, min(len(data) - 4, end + 128), 4)]


def _flv(data: bytes) -> Fields:
    """FLV: the size, type and time of each tag, and its first bytes."""
    sizes, values, at = [Field(4, 1), Field(5, 4)], [], 13
    while at + 12 <= len(data):
        sizes += [Field(at, 1), Field(at + 1, 3)]
        values += [Field(at + 4, 4), Field(at + 11, 1), Field(at - 4, 4)]
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    return sizes, values


def _ogg(data: bytes) -> Fields:
    """Ogg: segments, flags, granules, serial and sequence numbers of each page, and its first bytes."""
    sizes, values = [], []
    for at in _pages(data):
        sizes += [Field(at + 26, 1), Field(at + 27, 1), Field(at + 5, 1)]
        values += [Field(at + 6, 8, "little"), Field(at + 14, 4, "little"), Field(at + 18, 4, "little")]
        values += [Field(at + 28 + i, 4, "little") for i in range(0, 24, 4) if at + 56 < len(data)]
    return sizes, values


def _pages(data: bytes) -> list[int]:
    found, at = [], data.find(b"OggS")
    while at >= 0 and at + 28 < len(data):
        found.append(at)
        at = data.find(b"OggS", at + 4)
    return found


def _with_sums(data: bytearray) -> bytes:
    """Make the checksums of Ogg pages right again: FFmpeg drops pages where they are wrong."""
    for at in _pages(bytes(data)):
        count_of_segments = data[at + 26]
        end = at + 27 + count_of_segments + sum(data[at + 27 : at + 27 + count_of_segments])
        data[at + 22 : at + 26] = b"\0\0\0\0"
        data[at + 22 : at + 26] = _ogg_sum(data[at:end]).to_bytes(4, "little")
    return bytes(data)


def _ogg_sum(page: bytearray) -> int:
    total = 0
    for byte in page:
        total = ((total << 8) & 0xFFFFFFFF) ^ _SUMS[(total >> 24) ^ byte]
    return total


def _sum_of(byte: int) -> int:
    total = byte << 24
    for _ in range(8):
        total = (total << 1) ^ (0x04C11DB7 if total & 0x80000000 else 0)
    return total & 0xFFFFFFFF


_SUMS = [_sum_of(byte) for byte in range(256)]


def _ts(data: bytes) -> Fields:
    """MPEG-TS: stream, flags and counters of each packet; adaptation fields, clocks, times, tables."""
    sizes = [field for at in range(0, len(data) - 188, 188) for field in (Field(at + 1, 2), Field(at + 3, 1))]
    values = [Field(at + i, 4) for at in range(0, len(data) - 188, 188) for i in range(4, 32, 4)]
    return sizes, values


_WORDS: tuple[tuple[int, Order], ...] = ((2, "little"), (4, "big"), (1, "big"))


def _any(data: bytes) -> Fields:
    """Other formats: every word of the beginning."""
    return [], [Field(at, size, order) for size, order in _WORDS for at in range(0, min(len(data) - 4, 256), size)]


_PARSERS: dict[str, Callable[[bytes], Fields]] = {
    **dict.fromkeys(("mp4", "fragmented.mp4", "mov", "3gp", "m4a"), _atoms),
    **dict.fromkeys(("mkv", "webm"), _ebml),
    **dict.fromkeys(("avi", "wav"), _riff),
    "asf": _asf,
    "flv": _flv,
    "ogg": _ogg,
    "ts": _ts,
}
