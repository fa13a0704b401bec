"""Rows of a track's lattice, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.align import mean_over_time
from avsync.media import FPS
from avsync.score.evidence import Evidence
from avsync.score.readings.lattice import LATTICE_READINGS


@dataclass(frozen=True, slots=True)
class LatticeRows:
    """T consecutive frames of one face, as a lattice.

    Attributes:
        start: presentation time of the first frame (s).
        box: median box of the face, float [4], in upright pixels.
        lattice: float32 [T, 31].
        speech: float32 [T], the share of speech in each frame.
    """

    start: float
    box: NDArray[np.float64]
    lattice: Tensor
    speech: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.speech)

    def __getitem__(self, span: slice) -> "LatticeRows":
        """The rows of `span` (step 1)."""
        begin = span.indices(len(self))[0]
        return LatticeRows(self.start + begin / FPS, self.box, self.lattice[span], self.speech[span])


def joined(rows: Sequence[LatticeRows]) -> LatticeRows:
    """Rows of the same track, one after the other."""
    return LatticeRows(
        rows[0].start,
        np.median([r.box for r in rows], axis=0),
        torch.cat([r.lattice for r in rows]),
        np.concatenate([r.speech for r in rows]),
    )


def read_rows(rows: LatticeRows, reading: str) -> Evidence:
    """Take one reading of the rows."""
    weight = torch.from_numpy(rows.speech)
    return Evidence(
        start=rows.start,
        seconds=len(rows) / FPS,
        speech_seconds=float(rows.speech.sum()) / FPS,
        box=rows.box,
        curve=mean_over_time(rows.lattice, weight).numpy(),
        readings={reading: LATTICE_READINGS[reading](rows.lattice, weight)},
    )
