"""A verdict as a figure of matplotlib: timeline, scores of the checks, lattices and the map of the voice."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS
from avsync.report.lanes import Lane, length_of, strips
from avsync.report.subjects import Subject, subjects
from avsync.report.wording import LABELS
from avsync.score.verdict import Artefacts, Verdict
from avsync.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SEEN, _USUAL, _SUSPECT = "0.75", "0.6", "#c0392b"
_LEAST_P = 0.01  # the top of a strip
_LEAST_BAR = 0.03  # so that a window with p = 1 is seen too
_WIDTH = 9.0  # inches
_LANE, _STRIP, _MAP = 0.3, 0.7, 1.7  # inches
# A row of a figure: its height in inches, and what draws it into the axes of time and those beside them.
Row = tuple[float, Callable[["Axes", "Axes"], None]]


def plot(verdict: Verdict) -> "Figure":
    """Draw when faces are seen, what each check scores, and the arrays that the verdict has kept.

    Lattices are drawn of faces that were scored with `keep={"lattice"}`, with their mean over time beside them, and the
    map of the voice with `keep={"voice"}`. Nothing is shown or written: a notebook shows what is returned,
    `figure.savefig(path)` writes it.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = _new_figure()
    rows = _rows(verdict)
    heights = [height for height, _ in rows]
    figure.set_size_inches(_WIDTH, sum(heights) + 0.35 * len(rows) + 0.8)
    title = f"{printable(Path(verdict.path).name)}: {LABELS[verdict.verdict]}"
    figure.suptitle(title, parse_math=False, wrap=True)  # a file may be named like a formula
    grid = figure.subplots(
        len(rows), 2, sharex="col", squeeze=False, gridspec_kw={"height_ratios": heights, "width_ratios": [6, 1]}
    )
    for (_, draw), (axes, beside) in zip(rows, grid, strict=True):
        beside.set_axis_off()
        draw(axes, beside)
    grid[-1, 0].set_xlim(0, length_of(verdict))
    grid[-1, 0].set_xlabel("time (s)")
    return figure


def _new_figure() -> "Figure":
    """A figure that notebooks show. It is no figure of pyplot, which would keep it, or show it a second time."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"Verdict.plot needs matplotlib ({error}): pip install 'avsync[plot]'") from error

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            written = BytesIO()
            self.savefig(written, format="png")
            return written.getvalue()

    return NotebookFigure(layout="constrained")


def _rows(verdict: Verdict) -> list[Row]:
    shown = subjects(verdict)
    rows: list[Row] = [(_LANE * max(1, len(shown)), partial(_draw_timeline, shown))]
    rows += [(_STRIP, partial(_draw_strip, lane, verdict.level)) for lane in strips(verdict)]
    kept = verdict.artefacts.items()
    lags = {track.track: track.lag_ms for track in verdict.tracks}
    rows += [(_MAP, partial(_draw_lattice, face, arrays, lags)) for face, arrays in kept if "lattice" in arrays]
    rows += [(_MAP, partial(_draw_voice, arrays)) for _, arrays in kept if "voice_map" in arrays]
    return rows


def _draw_timeline(shown: Sequence[Subject], axes: "Axes", _: "Axes") -> None:
    """A lane for each face and for the recording, the first on top."""
    for index, subject in enumerate(shown):
        axes.broken_barh([(subject.start, subject.end - subject.start)], (index - 0.35, 0.7), color=_SEEN)
        suspect = [(segment.start, segment.end - segment.start) for segment in subject.segments]
        axes.broken_barh(suspect, (index - 0.35, 0.7), facecolor=_SUSPECT, edgecolor="white", hatch="///")
    axes.set_yticks(range(len(shown)), [subject.name for subject in shown])
    axes.set_ylim(max(1, len(shown)) - 0.5, -0.5)


def _draw_strip(lane: Lane, level: float, axes: "Axes", _: "Axes") -> None:
    """A bar for each window, as high as it is unusual; without calibration, its score."""
    starts = [window.start for window in lane.windows]
    widths = [window.end - window.start for window in lane.windows]
    p_values = [window.p_value for window in lane.windows if window.p_value is not None]
    style: dict[str, Any] = {"align": "edge", "edgecolor": "white"}
    if len(p_values) < len(lane.windows):
        axes.bar(starts, [window.anomaly_score for window in lane.windows], widths, color=_USUAL, **style)
    else:
        heights = [max(_LEAST_BAR, -log10(max(p, _LEAST_P))) for p in p_values]
        bars = axes.bar(starts, heights, widths, color=_USUAL, **style)
        for bar, p in zip(bars, p_values, strict=True):
            if p <= level:
                bar.set(facecolor=_SUSPECT, hatch="///")
        axes.axhline(-log10(level), color="black", linestyle="--", linewidth=0.8)
        axes.set_ylim(0, -log10(_LEAST_P))
        axes.set_yticks([0, 1, 2], ["p = 1", "0.1", "0.01"])
    axes.set_ylabel(lane.name, parse_math=False)


def _draw_lattice(
    face: int | None, arrays: Artefacts, lags: Mapping[int, float | None], axes: "Axes", beside: "Axes"
) -> None:
    """How well the lips at each time fit the speech at each offset, and the mean over speech."""
    lattice = np.asarray(arrays["lattice"], np.float32)
    reach = lattice.shape[1] // 2
    offsets = (np.arange(lattice.shape[1]) - reach) * 1000 / FPS
    times, shown = _with_gaps(np.asarray(arrays["times"], np.float64), lattice)
    axes.pcolormesh(times, offsets, shown.T, shading="nearest", cmap="magma", rasterized=True)
    axes.set_title(f"bright: the lips of face {face} fit the speech; dotted: the lag", loc="left", fontsize="small")
    axes.set_ylabel("sound later\nby (ms)")
    beside.set_axis_on()
    beside.plot(np.asarray(arrays["lag_curve"], np.float32), offsets, color="black")
    lag = lags.get(face) if face is not None else None
    if lag is not None:
        for part in (axes, beside):
            part.axhline(lag, color=_SUSPECT, linestyle=":", linewidth=1.5)
    beside.set_ylim(axes.get_ylim())
    beside.set_yticks([])
    beside.set_xlabel("mean fit (nats)")


def _with_gaps(
    times: NDArray[np.float64], rows: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Times [T] and rows [T, n] with an empty row on both sides of each gap, so that nothing is drawn in it."""
    after = np.flatnonzero(np.diff(times) > 1.5 / FPS) + 1
    edges = np.stack([times[after - 1] + 1 / FPS, times[after] - 1 / FPS], axis=1).reshape(-1)
    places = np.repeat(after, 2)
    return np.insert(times, places, edges), np.insert(rows, places, np.float32(np.nan), axis=0)


def _draw_voice(arrays: Artefacts, axes: "Axes", _: "Axes") -> None:
    """How unlike recorded speech each place of the sound is."""
    frequencies = np.asarray(arrays["voice_frequencies"], np.float64) / 1000
    times, found = np.asarray(arrays["voice_times"], np.float64), np.asarray(arrays["voice_map"], np.float32)
    if len(frequencies) > 1:
        axes.set_ylabel("frequency of\nthe voice (kHz)")
        axes.pcolormesh(times, frequencies, found, shading="nearest", cmap="magma", rasterized=True)
    else:  # a model that looks at all frequencies together
        axes.set_ylabel("voice")
        axes.plot(times, found[0], color="black")
    axes.set_title("bright: unlike recorded speech", loc="left", fontsize="small")
