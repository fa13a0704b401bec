"""What an evaluation protocol is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from avsync.datasets.record import ClipRecord
from avsync.evaluate.results import Settings, StoredVerdict
from avsync.evaluate.table import Tables

# Of `Summary.to_dict`, whatever the protocol.
SCHEMA = "avsync.evaluation/2"


class Summary(Protocol):
    """The figures that a protocol computes."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with `schema` and `protocol` first; unknown numbers are None."""

    def tables(self) -> Tables:
        """Return the figures for people. A first cell that begins with `INDENT` belongs to a row above."""

    def notes(self) -> list[str]:
        """Return lines that explain the tables."""


# A pure function of the clips, their results by name, and the settings that the verdicts were made with.
EvaluationProtocol = Callable[[Sequence[ClipRecord], Mapping[str, StoredVerdict], Settings], Summary]
