"""The protocol of a check."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from avsync.recording import Need, Recording
from avsync.score.readings import Reading
from avsync.score.reference import Reference
from avsync.score.windows import Combined, WindowScore

# Lengths of window that calibration measures (s); between them, quantiles are interpolated.
LENGTHS = (1.5, 2.0, 2.5, 3.0)

Clips = Callable[[Recording], Iterator[Any]]
Counterexample = Callable[[Any, Any], Any]


class Check(Protocol):
    """One question about a recording. Checks keep nothing of a recording: one serves many.

    Attributes:
        name: as options, results and `avsync.checks.registry` call it.
        needs: what the recording must have.
        readings: what is measured in a window; those with a side (`Reading.odd`) count in the score.
        ranked_by: the reading that ranks recordings as long as there is no calibration.
        lengths: of the windows that calibration measures (s).
        clips: the function that reads the recording's clips. Checks with the same function share one pass over the
            file, so it is compared by identity. A check that needs speech alone also measures windows of face clips.
        reference: its own calibration, if its checkpoint has one; that of the model counts first.
        counterexample: makes a window as of a fake that the check is meant to find, out of two windows of different
            real people; calibration learns from some how much a score says. None: there is no such way.
    """

    name: str
    needs: tuple[Need, ...]
    readings: tuple[Reading, ...]
    ranked_by: str
    lengths: tuple[float, ...]
    reference: Reference | None

    @property
    def counterexample(self) -> Counterexample | None: ...  # noqa: D102

    @property
    def clips(self) -> Clips: ...  # noqa: D102

    def windows(self, clip: Any) -> Iterator[Any]:
        """Cut a clip into windows."""

    def measure(self, window: Any) -> WindowScore:
        """Take the readings of a window."""

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """Read all windows of one face together; None if there is too little to judge."""


def by_clips(checks: Iterable[Check]) -> dict[Clips, list[Check]]:
    """The checks, grouped by the clips that they look at."""
    groups: dict[Clips, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.clips, []).append(check)
    return groups
