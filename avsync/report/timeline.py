"""The timeline as inline SVG: when each face is seen, and which segments are suspicious."""

from collections.abc import Iterator

from avsync.report.subjects import Subject, subjects
from avsync.report.wording import span
from avsync.score.verdict import Verdict

_LANE, _GAP, _AXIS = 14, 6, 22  # pixels
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TICKS = 10


def timeline(verdict: Verdict) -> str:
    """Return one lane for each face (and for the recording as a whole) over the length of the file.

    Widths are in per cent, so that it fits any screen.
    """
    shown = subjects(verdict)
    length = max(verdict.duration, *(subject.end for subject in shown), 0.1)
    bottom = len(shown) * (_LANE + _GAP)
    lanes = [_lane(subject, number * (_LANE + _GAP), length) for number, subject in enumerate(shown)]
    suspicious = sum(len(subject.segments) for subject in shown)
    faces = sum(subject.face is not None for subject in shown)
    label = f"Timeline of {length:.1f} s: {faces} face(s), {suspicious} suspicious segment(s)"
    return f"""<svg role="img" aria-label="{label}" height="{bottom + _AXIS}">
{"".join(_ticks(length, bottom))}
{"".join(lanes)}
</svg>"""


def _lane(subject: Subject, top: int, length: float) -> str:
    title = f"{subject.name}: {span(subject.start, subject.end)}"
    seen = _bar("seen", subject.start, subject.end, top, length, title)
    suspicious = (
        _bar("suspect", s.start, s.end, top, length, f"suspicious: {span(s.start, s.end)} (p = {s.p_value:.2g})")
        for s in subject.segments
    )
    return _bar("whole", 0, length, top, length, "whole file") + seen + "".join(suspicious)


def _bar(kind: str, start: float, end: float, top: int, length: float, title: str) -> str:
    x, width = 100 * start / length, 100 * (end - start) / length
    return (
        f'<rect class="{kind}" x="{x:.3f}%" y="{top}" width="{width:.3f}%" height="{_LANE}" rx="2">'
        f"<title>{title}</title></rect>"
    )


def _ticks(length: float, bottom: int) -> Iterator[str]:
    step = next((step for step in _STEPS if length / step <= _TICKS), length / _TICKS)
    for number in range(int(length / step) + 1):
        time = number * step
        x = f"{100 * time / length:.3f}%"
        words = f"{time:g} s" if length < 60 else f"{time // 60:.0f}:{time % 60:02.0f}"
        anchor = "start" if number == 0 else "end" if time > 0.95 * length else "middle"
        yield f'<line class="tick" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + _AXIS - 8}" text-anchor="{anchor}">{words}</text>'
