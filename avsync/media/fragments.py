"""Fragments of MP4 files that are missing."""

import struct
from itertools import pairwise
from pathlib import Path

# Files are read box by box; one with more fragments than this (11 hours of 0.4 s) is judged by its first ones.
_MAX_BOXES = 200_000
# A larger jump in the numbers is another way to count, not a loss.
_MAX_JUMP = 100
_NUMBER = 16  # of `moof`: after its own header come those of `mfhd`, 8 bytes, then version and flags, 4 bytes
_LARGE = 1  # a box of this size has a size of 64 bits


def missing_fragments(path: Path) -> int:
    """Return how many fragments of an MP4 file are missing: gaps in the sequence numbers of its `moof` boxes.

    0 for files that are not fragmented. ISO/IEC 14496-12, section 8.8.5: the numbers rise from fragment to fragment.
    """
    numbers = list[int]()
    size_of_file = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        for _ in range(_MAX_BOXES):
            file.seek(position)
            head = file.read(_NUMBER + 8)
            if len(head) < 8:
                break
            size, kind = struct.unpack(">I4s", head[:8])
            if size == _LARGE and len(head) >= 16:
                (size,) = struct.unpack(">Q", head[8:16])
            if kind == b"moof" and head[12:16] == b"mfhd" and len(head) == _NUMBER + 8:
                numbers.append(struct.unpack(">I", head[20:24])[0])
            if size < 8 or position + size >= size_of_file:
                break
            position += size
    steps = (after - before for before, after in pairwise(numbers))
    return sum(step - 1 for step in steps if 1 < step <= _MAX_JUMP)
