"""A verdict as Jupyter shows it: a fragment of HTML without scripts, whose style touches nothing else on the page."""

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from avsync.report.lanes import length_of
from avsync.report.subjects import Subject, check_names, rows
from avsync.report.wording import LABELS, p_cells, sentence, span, spans, subject_cells, unanswered, values
from avsync.score.verdict import Verdict
from avsync.text import printable

# A sign beside each verdict, so that nothing hangs on colour. Colours are half transparent: they suit light and dark.
_SIGNS = {"consistent": "✓", "suspicious": "!", "measured": "#", "cannot_judge": "?"}
_TINTS = {
    "consistent": "rgba(46,160,67,.25)",
    "suspicious": "rgba(218,54,51,.3)",
    "measured": "rgba(56,139,253,.25)",
    "cannot_judge": "rgba(210,153,34,.3)",
}
_SEEN, _SUSPECT = "rgba(128,128,128,.55)", "rgba(218,54,51,.9)"
_LANE = "position:relative;height:.8em;background:rgba(128,128,128,.15);margin:.15em 0"
_CELL = "border:0;border-bottom:1px solid rgba(128,128,128,.4);padding:.15em .6em;text-align:left;white-space:nowrap"


def to_fragment(verdict: Verdict) -> str:
    """Return one element `div` with the verdict, the reason for it, a timeline, and a row for each face."""
    shown = rows(verdict)
    badge = (
        f'<span style="background:{_TINTS[verdict.verdict]};border-radius:.3em;padding:.1em .5em">'
        f"{_SIGNS[verdict.verdict]} {LABELS[verdict.verdict]}</span>"
    )
    notes = (*unanswered(verdict), *(f"Warning: {warning}" for warning in verdict.warnings))
    parts = [
        f"<div><b>{_text(Path(verdict.path).name)}</b> {badge}</div>",
        f"<div>{_text(sentence(verdict))}.</div>",
        *(f"<div>{_text(note)}.</div>" for note in notes),
        *_timeline(verdict, shown),
        *_table(verdict, shown),
    ]
    return f'<div style="max-width:60em;line-height:1.5">{"".join(parts)}</div>'


def _timeline(verdict: Verdict, shown: Iterable[Subject]) -> Iterator[str]:
    """A lane for each face and for the recording: when it is seen or heard, and what is suspicious of it."""
    length = length_of(verdict)
    for subject in shown:
        words = f"{subject.name}, {span(subject.start, subject.end)}"
        if subject.segments:
            words += f"; suspicious: {', '.join(span(s.start, s.end) for s in subject.segments)}"
        bars = [_bar(subject.start, subject.end, length, _SEEN)]
        bars += [_bar(segment.start, segment.end, length, _SUSPECT, low=True) for segment in subject.segments]
        label = _text(words)
        yield f'<div role="img" aria-label="{label}" title="{label}" style="{_LANE}">{"".join(bars)}</div>'


def _bar(start: float, end: float, length: float, colour: str, *, low: bool = False) -> str:
    """A piece of a lane; `low`: only its lower half, so that it is seen without colour too."""
    left, width = 100 * max(0.0, start) / length, 100 * max(0.0, end - start) / length
    top = "50%" if low else "0"
    place = f"position:absolute;left:{left:.2f}%;width:{width:.2f}%;top:{top};bottom:0"
    return f'<span style="{place};background:{colour}"></span>'


def _table(verdict: Verdict, shown: list[Subject]) -> Iterator[str]:
    if not shown:
        return
    checks = check_names([verdict])
    measured = verdict.verdict == "measured"
    last = ["readings"] if measured else [*(f"p {name}" for name in checks), "p", "segments"]
    cells = [("face", "seen", "speech", "lag", *last)]
    for subject in shown:
        found = [values(subject)] if measured else [*p_cells(verdict, subject, checks), spans(subject.segments)]
        cells.append((*subject_cells(subject, marked=len(shown) > 1), *found))
    head, *body = (_row(row, "td" if index else "th") for index, row in enumerate(cells))
    yield (
        '<table style="border-collapse:collapse;background:transparent;margin:.4em 0">'
        f"<thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"
    )


def _row(cells: Iterable[str], kind: str) -> str:
    inner = "".join(f'<{kind} style="{_CELL}">{_text(cell)}</{kind}>' for cell in cells)
    return f'<tr style="background:transparent">{inner}</tr>'


def _text(words: str) -> str:
    return escape(printable(words))
