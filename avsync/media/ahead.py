"""Work ahead of whoever consumes."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

_DEPTH = 8  # items; a few pictures of memory


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, up to eight of them made ahead in a thread: FFmpeg decodes while dlib looks for faces."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, items, None) for _ in range(_DEPTH))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, items, None))
            yield item
