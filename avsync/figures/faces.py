"""The figures of one face."""

from collections.abc import Sequence
from math import ceil, isqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from avsync.figures.encode import heat, jpeg
from avsync.figures.views import MOUTH_SIDE, FaceView
from avsync.media import FPS
from avsync.score.figures import FaceFigures, Plane, Still
from avsync.score.verdict import Artefacts

# Bounds of what one face adds to a report, however long it is seen.
_MOST_STILLS, MOST_COLUMNS = 6, 1500
# Of the lattice's values: few places fit far better or far worse than all others, and would make the rest one colour.
_DARKEST, _BRIGHTEST = 5.0, 99.5
T = TypeVar("T")


def face_figures(track: int, view: FaceView, arrays: Artefacts) -> FaceFigures:
    """Draw one face; `arrays`: its lattice, if a check made one (`avsync.checks.measure.artefacts`)."""
    times, boxes, mouth_boxes, mouths = zip(*view.looks.values, strict=True)
    sheet, columns = _sheet(mouths)
    return FaceFigures(
        track=track,
        times=[round(time, 2) for time in times],
        boxes=[np.rint(box).astype(int).tolist() for box in boxes],
        mouth_boxes=[np.rint(box).astype(int).tolist() for box in mouth_boxes],
        mouths=jpeg(sheet, small=True),
        mouth_columns=columns,
        stills=[Still(round(time, 2), jpeg(patch)) for time, patch in _spread(view.stills.values, _MOST_STILLS)],
        lattice=_lattice(arrays) if "lattice" in arrays else None,
        lag_curve=_finite(arrays["lag_curve"]) if "lag_curve" in arrays else [],
    )


def _spread(values: Sequence[T], most: int) -> list[T]:
    """At most so many values, evenly spread."""
    if len(values) <= most:
        return list(values)
    return [values[index] for index in np.linspace(0, len(values) - 1, most).round().astype(int)]


def _sheet(mouths: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], int]:
    """Mouths row by row in one picture, about as wide as high, and how many are in a row."""
    columns = max(1, isqrt(len(mouths)))
    rows = ceil(len(mouths) / columns)
    sheet = np.zeros((rows, columns, MOUTH_SIDE, MOUTH_SIDE), np.uint8)
    for index, mouth in enumerate(mouths):
        sheet[divmod(index, columns)] = mouth
    return sheet.transpose(0, 2, 1, 3).reshape(rows * MOUTH_SIDE, columns * MOUTH_SIDE), columns


def _lattice(arrays: Artefacts) -> Plane:
    """The lattice on an even grid of time, the greatest offset at the top; NaN where nobody speaks."""
    lattice = np.array(arrays["lattice"], np.float32)
    lattice[np.asarray(arrays["speech_share"], np.float32) < 0.5] = np.nan
    times = np.asarray(arrays["times"], np.float64)
    grid, start, end = on_grid(lattice.T, times, 1 / FPS)
    known = lattice[~np.isnan(lattice)]
    low, high = np.percentile(known, [_DARKEST, _BRIGHTEST]) if len(known) else (0.0, 1.0)
    reach = 1000 / FPS * (lattice.shape[1] // 2)
    return Plane(heat(grid[::-1], low, high), start, end, -reach, reach)


def on_grid(
    values: NDArray[np.float32], times: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float32], float, float]:
    """Columns at `times`, with gaps between them, on an even grid of at most `MOST_COLUMNS`: means, NaN in gaps.

    Args:
        values: float32 [F, n], NaN where not known.
        times: float64 [n], where each column begins (s).
        step: how long a column lasts (s).

    Returns:
        The grid, float32 [F, m], and where it begins and ends (s).
    """
    start, end = float(times.min()), float(times.max()) + step
    count = max(1, min(MOST_COLUMNS, round((end - start) / step)))
    column = np.clip(((times - start) / (end - start) * count + 1e-6).astype(int), 0, count - 1)
    known = ~np.isnan(values)
    total, number = np.zeros((len(values), count)), np.zeros((len(values), count))
    np.add.at(total.T, column, np.where(known, values, 0).T)
    np.add.at(number.T, column, known.T)
    with np.errstate(invalid="ignore"):
        return (total / number).astype(np.float32), start, end


def _finite(curve: NDArray[np.generic]) -> list[float]:
    """The curve, or nothing if a part of it is not known."""
    values = np.asarray(curve, np.float64)
    return [round(float(value), 4) for value in values] if np.isfinite(values).all() else []
