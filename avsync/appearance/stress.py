"""Pairs of a stress set: real clips beside reconstructions of them that were made before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avsync.appearance.data import DrawnPairs, Draws, Pair, framed
from avsync.reconstruct.stored_footage import StoredFootage


@dataclass(frozen=True)
class StressPair:
    """A real clip and a reconstruction of it.

    Attributes:
        real, rebuilt: their footage.
        kind: of reconstruction.
    """

    real: StoredFootage
    rebuilt: StoredFootage
    kind: str

    @property
    def key(self) -> str:
        """Identifies the content."""
        return f"{self.real.key} {self.rebuilt.key}"

    @property
    def speaker(self) -> str:
        """Whose face it is."""
        return self.real.speaker

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.rebuilt.seconds


class StressPairs(DrawnPairs):
    """Pieces of pairs, which take turns.

    Real and rebuilt are of the same moment, and go through the same camera, crop and mirror. Places are not known.

    Args:
        pairs: to draw from.
        draws: how, and of which kinds.
    """

    def __init__(self, pairs: Sequence[StressPair], draws: Draws) -> None:
        super().__init__(draws)
        self._pairs = list(pairs)

    def __getitem__(self, index: int) -> Pair:
        """Piece number `index`."""
        rng = np.random.default_rng((*self.draws.seed, index))
        turn = np.random.default_rng((*self.draws.seed, index // len(self._pairs))).permutation(len(self._pairs))
        pair = self._pairs[turn[index % len(self._pairs)]]
        start = int(rng.integers(min(pair.real.frames, pair.rebuilt.frames) - self.length + 1))
        real, rebuilt = (of.read(start, start + self.length) for of in (pair.real, pair.rebuilt))
        nowhere = np.zeros(rebuilt.pictures.shape[:3], np.float32)
        return framed(real, rebuilt.pictures, nowhere, self.draws.kinds.index(pair.kind), self.draws, rng)
