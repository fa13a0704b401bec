"""What works on many jobs: an engine gives seats, and each seat does one job after another.

The work of a job runs in a process without network, with limits of time and memory: a job that crashes it, hangs or
takes too much memory is refused with a reason, and the others are done. `avsync.engine.local` has the processes on this
machine, `avsync.engine.ray` on the machines of a Ray cluster; `avsync.engine.pool` hands out jobs on both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from avsync.progress import Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

MB = 1_000_000
# A job has these seconds, and for each second of its file's length `_SHARE` more.
_LEAST, _SHARE = 60.0, 5.0
# Headers may lie: no file is taken to be longer than it would be with so few bytes per second.
_LEAN = 2000
# While the length is not known, a job has a second more for each of so many bytes.
_READ = 500_000

Progress = Callable[[Stage, float, float], None]
Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
# A result as the process sends it: plain data, as JSON holds it, and arrays.
Answer: TypeAlias = tuple[dict[str, Any], Arrays]


class Telling(Protocol):
    """What a job tells while it is done."""

    def length_of(self, path: str) -> None:
        """Give the job the time that a file of this length may take; a file that cannot be read changes nothing."""

    def progress(self, stage: Stage, seconds: float, total: float) -> None:
        """Tell what is done now."""


# Does a job, in a process of its own. It yields any number of answers, and raises CannotJudge to refuse it. An
# attribute `facts` (plain data) is told when the process starts.
Work = Callable[[Any, Telling], Iterator[Answer]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may cost: seconds (None: by the length of its file), and bytes of memory."""

    timeout: float | None
    max_memory: int

    def seconds(self, length: float | None, size: int) -> float:
        """Return the seconds for a file of this length (s; None: not known) and size (bytes)."""
        if length is None:
            return self.timeout or _LEAST + size / _READ
        return self.timeout or _LEAST + _SHARE * max(0.0, min(length, size / _LEAN))


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of work.

    Attributes:
        make: makes the `Work` in the process that does it; it can be pickled.
        limits: of a job.
        read: makes a result of what the process sent, in this process. It raises ValueError, LookupError, TypeError or
            AttributeError for what is none: a hostile file may have taken over the process.
        gpus: how many a process needs, 0 to 1; only Ray asks.
    """

    make: Callable[[], Work]
    limits: Limits
    read: "Callable[[dict[str, Any], Held], Any]"
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        given: what `Work` is given; it can be pickled.
        arrays: `Work` is given (given, arrays) if there are any; they are fetched where the work is done.
        path: the file whose size decides how long the job may take.
        place: a number for whoever takes the results.
    """

    given: Any
    path: str = ""
    place: int = 0
    arrays: "Held | None" = None


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickled `Job.given`, on its way through a process that has no use for it."""

    content: bytes


class Held(Protocol):
    """Arrays of an answer, perhaps on another machine until somebody asks for them."""

    def get(self) -> Arrays:
        """The arrays by name.

        Raises:
            CannotJudge: `crashed`: they were lost with their machine.
        """


class Seat(Protocol):
    """Where one job at a time is done. One thread uses and closes it; others may call `kill`."""

    def facts(self) -> dict[str, Any]:
        """Wait until the process is ready, and return what it tells of itself.

        Raises:
            UsageError: its options are wrong, or there is too little memory for it.
            InternalError: an error in avsync.
            AvsyncError: the process ended.
        """

    def do(self, job: Job, on_progress: Progress) -> Iterator[tuple[dict[str, Any], Held]]:
        """Yield the answers of a job. While one is not taken the job waits, and the time does not count.

        Raises:
            CannotJudge: the job is refused: by the work itself; `timed_out`, `out_of_memory`; `crashed`, caused by an
                InternalError if it was an error in avsync.
            UsageError, InternalError, AvsyncError: as `facts`; the process is made anew where one has ended.
            SeatLost: another seat can do the job. `facts` makes the seat anew.
        """

    def kill(self, *, for_good: bool = False) -> None:
        """End the process, whatever it does; the next job gets another, unless it is `for_good`."""

    def close(self) -> None:
        """End the process for good, and wait until it has ended."""


class Engine(Protocol):
    """Gives seats."""

    def seat(self, task: Task, count: int) -> Seat:
        """A seat, one of `count` for this task. Nothing starts before it is used."""


class SeatLost(Exception):
    """The machine of a seat went away while it did a job, which another seat can do."""


class InternalError(Exception):
    """An error in avsync itself; `report` tells where, without personal data."""

    def __init__(self, report: str) -> None:
        super().__init__("internal error")
        self.report = report
