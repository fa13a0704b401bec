"""What is said of the clips of a data set that cannot be used."""

from collections import Counter
from collections.abc import Iterable
from logging import INFO, WARNING, Logger

from avsync.errors import AvsyncError, Reason


def log_skipped(log: Logger, used: str, reasons: Iterable[Reason]) -> None:
    """Log how many clips were used, in words, and how many were not, by reason; a warning where there are any."""
    counted = Counter(reasons)
    listed = ", ".join(f"{count} {reason}" for reason, count in counted.most_common())
    log.log(WARNING if counted else INFO, "%s, %d left out (%s)", used, counted.total(), listed or "none")


def worker_died() -> AvsyncError:
    """A process that worked on clips is gone."""
    return AvsyncError("a worker process died, perhaps for want of memory; try again with fewer workers")
