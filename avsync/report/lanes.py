"""The timeline: lanes over one axis of time, as inline SVG that needs no script."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import log10

from avsync.report.subjects import Subject, recording_checks, subjects
from avsync.report.wording import span
from avsync.score.figures import Curve, FaceFigures, Figures, Plane
from avsync.score.verdict import Verdict, WindowResult
from avsync.text import printable

_BAR, _STRIP, _LATTICE, _SPECTROGRAM, _AXIS = 12, 30, 62, 90, 20  # pixels
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TICKS = 10
# A strip is as high as a p-value of 0.01; half of it is 0.1.
_TOP = 2.0
# Real windows are at or below this p-value one time in five: drawn in another colour than ordinary ones.
_UNUSUAL = 0.2
# Scores of frames are -log10 of a share of real windows; few real moments reach this.
_TOP_OF_LINE = 4.0


@dataclass(frozen=True, slots=True)
class Lane:
    """The windows of one check on one face, or on the recording as a whole, and its score of each frame, if any."""

    name: str
    windows: list[WindowResult]
    curve: Curve | None = None


def length_of(verdict: Verdict) -> float:
    """Return the seconds that the axis of time covers."""
    return max(verdict.duration, *(subject.end for subject in subjects(verdict)), 0.1)


def strips(verdict: Verdict) -> list[Lane]:
    """Return the lanes that have scores: of each face, then of the recording as a whole."""
    shown = subjects(verdict)
    several = sum(subject.face is not None for subject in shown) > 1
    curves = {(curve.check, curve.track): curve for curve in (verdict.figures or Figures()).curves}
    found = []
    for subject in shown:
        names = subject.checks if subject.face is not None else recording_checks(verdict)
        for name in filter(verdict.checks.get, names):
            if windows := [w for w in verdict.checks[name].windows if w.track == subject.face]:
                label = f"{name}, {subject.name}" if several and subject.face is not None else name
                found.append(Lane(printable(label), windows, curves.get((name, subject.face))))
    return found


def timeline(verdict: Verdict) -> str:
    """Return all lanes: speech, faces, scores, lattices, spectrogram and the axis. Widths are in per cent."""
    length = length_of(verdict)
    return "\n".join([*_lanes(verdict, length), _axis(length)])


def _lanes(verdict: Verdict, length: float) -> Iterator[str]:
    figures = verdict.figures or Figures()
    if figures.speech:
        yield _row("speech", "", _BAR, (_bar("speech", start, end, length) for start, end in figures.speech))
    for subject in subjects(verdict):
        yield _row(subject.name, "red: suspicious" if subject.segments else "", _BAR, _presence(subject, length))
    for lane in strips(verdict):
        yield _row(
            lane.name, "score; line: each 0.6 s" if lane.curve else "score", _STRIP, _strip(lane, verdict.level, length)
        )
    for face in figures.faces:
        if face.lattice is not None:
            yield _row(*_lattice_words(face, figures), _LATTICE, _lattice(face.lattice, length), kind="dark")
    if figures.spectrogram is not None:
        planes = [plane for plane in (figures.spectrogram, figures.voice_map) if plane is not None]
        note = "0–8 kHz; red: unlike recorded speech" if figures.voice_map else "0–8 kHz"
        yield _row("sound", note, _SPECTROGRAM, _spectrogram(planes, length), kind="dark")


def _row(name: str, note: str, height: int, content: Iterable[str], *, kind: str = "ground") -> str:
    small = f"<small>{escape(note)}</small>" if note else ""
    return (
        f'<div class="lane"><span>{escape(name)}{small}</span>'
        f'<svg role="img" aria-label="{escape(f"{name}. {note}".strip())}" height="{height}">'
        f'<rect class="{kind}" width="100%" height="100%"/>{"".join(content)}</svg></div>'
    )


def _presence(subject: Subject, length: float) -> Iterator[str]:
    title = f"{subject.name}: {span(subject.start, subject.end)}"
    yield _bar("seen", subject.start, subject.end, length, title)
    for segment in subject.segments:
        words = f"suspicious: {span(segment.start, segment.end)} (p = {segment.p_value:.2g})"
        yield _bar("suspect", segment.start, segment.end, length, words)
        yield _bar("hatch", segment.start, segment.end, length)


def _strip(lane: Lane, level: float, length: float) -> Iterator[str]:
    """Bars as high as the score is unusual, and the level as a line. Without calibration all are as high."""
    for window in lane.windows:
        p = window.p_value
        share = 0.5 if p is None else min(1.0, max(0.04, -log10(max(p, 1e-9)) / _TOP))
        kind = "usual" if p is None or p > _UNUSUAL else "suspect" if p <= level else "unusual"
        said = f"{window.anomaly_score:.2f}" if p is None else f"{window.anomaly_score:.2f}, p = {p:.2g}"
        words = f"{lane.name} {span(window.start, window.end)}: score {said}"
        top, height = _STRIP * (1 - share), _STRIP * share
        yield _bar(kind, window.start, window.end, length, words, top=top, height=height)
        if kind == "suspect":
            yield _bar("hatch", window.start, window.end, length, top=top, height=height)
    if lane.curve is not None:
        yield from _line(lane.curve, length)
    if any(window.p_value is not None for window in lane.windows):
        y = f"{_STRIP * (1 - min(1.0, -log10(level) / _TOP)):.1f}"
        yield f'<line class="level" x1="0" x2="100%" y1="{y}" y2="{y}"><title>level {level:g}</title></line>'


def _line(curve: Curve, length: float) -> Iterator[str]:
    """The score of each frame, broken where nobody speaks; its scale is its own."""
    low, high = min([0.0, *curve.scores]), max([_TOP_OF_LINE, *curve.scores])
    steps = [after - before for before, after in pairwise(curve.times)]
    widest = 1.5 * min(steps, default=1.0)
    points: list[list[str]] = [[]]
    for time, score, step in zip(curve.times, curve.scores, [0.0, *steps], strict=False):
        if step > widest:
            points.append([])
        points[-1].append(f"{1000 * time / length:.1f},{_STRIP * (1 - (score - low) / (high - low)):.1f}")
    lines = "".join(f'<polyline points="{" ".join(part)}"/>' for part in points if len(part) > 1)
    yield f'<svg class="line" viewBox="0 0 1000 {_STRIP}" preserveAspectRatio="none" height="{_STRIP}">{lines}</svg>'


def _lattice_words(face: FaceFigures, figures: Figures) -> tuple[str, str]:
    several = len(figures.faces) > 1
    reach = round(face.lattice.high) if face.lattice else 0
    return f"offset{f', face {face.track}' if several else ''}", f"±{reach} ms; bright: lips fit"


def _lattice(plane: Plane, length: float) -> Iterator[str]:
    yield _image(plane, length, 0, _LATTICE)
    yield f'<line class="zero" x1="0" x2="100%" y1="{_LATTICE / 2}" y2="{_LATTICE / 2}"/>'


def _spectrogram(planes: Sequence[Plane], length: float) -> Iterator[str]:
    """The spectrogram, and the map of the voice in its band of it."""
    low, high = planes[0].low, planes[0].high
    for plane in planes:
        top = _SPECTROGRAM * (high - min(plane.high, high)) / (high - low)
        bottom = _SPECTROGRAM * (high - max(plane.low, low)) / (high - low)
        yield _image(plane, length, top, bottom - top)


def _image(plane: Plane, length: float, top: float, height: float) -> str:
    x, width = _place(plane.start, plane.end, length)
    return (
        f'<image href="{plane.picture}" x="{x}" y="{top:.1f}" width="{width}" height="{height:.1f}" '
        'preserveAspectRatio="none"/>'
    )


def _bar(
    kind: str, start: float, end: float, length: float, title: str = "", *, top: float = 0, height: float | None = None
) -> str:
    x, width = _place(start, end, length)
    tall = "100%" if height is None else f"{height:.1f}"
    words = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect class="{kind}" x="{x}" y="{top:.1f}" width="{width}" height="{tall}">{words}</rect>'


def _place(start: float, end: float, length: float) -> tuple[str, str]:
    return f"{100 * start / length:.3f}%", f"{100 * max(0.0, end - start) / length:.3f}%"


def _axis(length: float) -> str:
    step = next((step for step in _STEPS if length / step <= _TICKS), length / _TICKS)
    ticks = []
    for number in range(int(length / step) + 1):
        time = number * step
        x = f"{100 * time / length:.3f}%"
        words = f"{time:g} s" if length < 60 else f"{time // 60:.0f}:{time % 60:02.0f}"
        anchor = "start" if number == 0 else "end" if time > 0.95 * length else "middle"
        ticks.append(
            f'<line x1="{x}" x2="{x}" y1="0" y2="5"/><text x="{x}" y="16" text-anchor="{anchor}">{words}</text>'
        )
    return (
        '<div class="lane axis"><span></span>'
        f'<svg role="img" aria-label="time axis, {length:.1f} s" height="{_AXIS}">{"".join(ticks)}</svg></div>'
    )
