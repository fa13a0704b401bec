"""What a training learns from, and what it is validated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Material(Protocol):
    """A recording that a training reads."""

    @property
    def key(self) -> str:
        """Identifies the content."""

    @property
    def speaker(self) -> str:
        """Whose recording it is."""

    @property
    def seconds(self) -> float:
        """Its length."""


M = TypeVar("M", bound=Material)


@dataclass(frozen=True)
class Split(Generic[M]):
    """What a training learns from.

    Attributes:
        training, validation: recordings to train on, and recordings of other speakers.
        left_out: number of recordings that cannot be used.
        name, licence: of the data, where the data themselves say so.
    """

    training: Sequence[M]
    validation: Sequence[M]
    left_out: int
    name: str = ""
    licence: str = ""
