"""What training reads: the arrays of one clip, on the 25 Hz clock."""

from typing import Any, Protocol

from numpy.typing import NDArray

from avsync.datasets.record import ClipRecord


class ClipArrays(Protocol):
    """A clip whose arrays have T rows each, or a multiple of T."""

    @property
    def record(self) -> ClipRecord:
        """The clip's row of the data set."""

    @property
    def key(self) -> str:
        """Says which content it is."""

    def frames(self) -> int:
        """T."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) of one array; nothing else is read."""
