"""A verdict in plain words: what was looked at, what each check found, what it means and what not, and what to do."""

import re
from collections.abc import Iterator, Sequence
from math import isclose
from textwrap import wrap

from avsync.report.advice import next_steps
from avsync.report.subjects import Subject, subjects, whole_p_value
from avsync.report.wording import (
    LABELS,
    contents,
    enumerated,
    finding,
    lag,
    number,
    percent,
    place,
    question,
    sentence,
    span,
)
from avsync.score.readings import READINGS
from avsync.score.verdict import STRETCH_SHARE, CheckResult, ReadingValue, Standout, Verdict, WindowResult
from avsync.text import printable

WIDTH = 80
_INDENT, _ITEM = "  ", "- "
# Where a line must not end: between a number and its unit, and in p = 0.05.
_UNIT = re.compile(r"(?<=\d) (?=(?:s|ms|kHz|%)(?!\w))|(?<=\bp) (?==)|(?<==) ")
_NO_BREAK = "\N{NO-BREAK SPACE}"

Section = tuple[str, Sequence[str]]  # a title, and paragraphs


def explain(verdict: Verdict, width: int = WIDTH) -> str:
    """Return the explanation as plain text, safe for a terminal, that ends with a line break.

    Args:
        verdict: of one file, judged now or read from a stored report.
        width: of the lines, in characters; the name of the file is in the first line, which may be longer.
    """
    sections: list[Section] = [
        (f"{printable(verdict.path)}: {LABELS[verdict.verdict]}", [sentence(verdict)]),
        ("What was looked at", list(_looked_at(verdict))),
        *((f"{printable(name)}: {question(name)}", list(_found(name, verdict))) for name in _worth_telling(verdict)),
        ("All checks together", list(_together(verdict))),
        ("What the p-value means, and what not", list(_meaning(verdict))),
        ("What to do next", [f"{_ITEM}{step}" for step in next_steps(verdict)]),
    ]
    return "\n".join(_section(title, paragraphs, width) for title, paragraphs in sections if paragraphs)


def _section(title: str, paragraphs: Sequence[str], width: int) -> str:
    lines = [title]
    for paragraph in paragraphs:
        hanging = _INDENT + " " * len(_ITEM) if paragraph.startswith(_ITEM) else _INDENT
        said = _UNIT.sub(_NO_BREAK, paragraph if paragraph.endswith((".", ":")) else f"{paragraph}.")
        lines += wrap(
            said,
            max(width, 2 * len(hanging)),
            initial_indent=_INDENT,
            subsequent_indent=hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines).replace(_NO_BREAK, " ") + "\n"


def _looked_at(verdict: Verdict) -> Iterator[str]:
    if not verdict.sha256:  # the file was not opened
        return
    yield f"The file: {contents(verdict)}"
    head, tail = verdict.trimmed_head, verdict.trimmed_tail
    if head or tail:
        yield f"Left out, because nobody speaks: {head:.1f} s at the start and {tail:.1f} s at the end"
    faces = [subject for subject in subjects(verdict) if subject.face is not None]
    for face in faces:
        yield _face(face, several=len(faces) > 1)
    if len(faces) > 1:
        yield "Of faces on screen together, the one whose lips fit the speech best is taken to be the speaker"
    for warning in verdict.warnings:
        yield f"Warning: {printable(warning)}"


def _face(face: Subject, *, several: bool) -> str:
    said = f"Face {face.face} is seen {span(face.start, face.end)}, with {face.speech_seconds or 0:.1f} s of speech"
    if face.lag_ms is not None:
        said += f"; {lag(face.lag_ms)}"
    if several and face.p_value is not None:
        said += f"; p = {face.p_value:.2g}"
    return f"{said}. The verdict rests on this face" if several and face.decisive else said


def _worth_telling(verdict: Verdict) -> list[str]:
    """The checks, without those whose reason is that of the whole file: its first sentence names them."""
    of_file = (verdict.reason, verdict.detail)
    return [
        name for name, check in verdict.checks.items() if not check.reason or (check.reason, check.detail) != of_file
    ]


def _found(name: str, verdict: Verdict) -> Iterator[str]:
    """What one check found: of the face that decides, or of the recording as a whole."""
    check = verdict.checks[name]
    if check.reason is not None:
        yield f"Not asked: {printable(check.detail)} ({check.reason})"
        return
    if check.p_value is not None:
        yield from _outcome(name, check, check.p_value, verdict.level)
    if (worst := _worst_window(check, verdict.decisive_track)) is not None:
        yield f"Most unusual of {worst[1]} windows: {span(worst[0].start, worst[0].end)}"
    for reading, value in check.readings.items():
        yield f"{_ITEM}{_reading(reading, value)}"
    if check.people is not None:
        yield f"It was compared with real recordings of {check.people} people"


def _outcome(name: str, check: CheckResult, p_value: float, level: float) -> Iterator[str]:
    share = f"{percent(p_value)} of real recordings score as high (p = {p_value:.2g})"
    if p_value > level:
        yield f"Nothing unusual: {share}"
        return
    yield f"Unusual: only {share}"
    yield f"It means: {finding(name, check.peak)}"


def _worst_window(check: CheckResult, decisive: int | None) -> tuple[WindowResult, int] | None:
    """The most anomalous window of the face that decides or of the recording, and among how many; None if it is one."""
    windows = [window for window in check.windows if window.track in (None, decisive)]
    return (max(windows, key=lambda window: window.anomaly_score), len(windows)) if len(windows) > 1 else None


def _reading(name: str, value: ReadingValue) -> str:
    known = READINGS.get(name)
    said = f"{printable(name)} {number(value.value)}"
    if known:
        said += f": {known.meaning}"
    if value.percentile is not None:
        said += f". It is {place(value.percentile)}"
    if known and known.odd is None:
        return f"{said}; it is only told, and does not count"
    return f"{said}; {known.odd} is unusual" if known else said


def _together(verdict: Verdict) -> Iterator[str]:
    decisive = next((subject for subject in subjects(verdict) if subject.decisive), None)
    if decisive is None:
        return
    whole = whole_p_value(verdict)
    if verdict.p_value is None or decisive.p_value is None or whole is None:
        yield "The model was not compared with real recordings, so nothing is unusual or usual: these are numbers only"
        return
    names = enumerated([printable(name) for name in decisive.checks])
    p_values = [check.p_value for check in decisive.checks.values() if check.p_value is not None]
    if len(decisive.checks) == 1:
        yield f"Only the check {names} was asked, so its p-value counts: {decisive.p_value:.2g}"
    elif isclose(decisive.p_value, min(1.0, len(p_values) * min(p_values, default=1.0))):
        yield (
            f"The checks {names} were not compared with the same real recordings. So the smallest p-value counts, "
            f"multiplied by their number (Bonferroni): {decisive.p_value:.2g}"
        )
    else:
        yield (
            f"The checks {names} are put together. Each says how much more likely its score is for a fake than for a "
            "real recording. The mean of that is compared with real recordings, of which "
            f"{percent(decisive.p_value)} have one as high. A check that finds nothing takes little away from one that "
            "does"
        )
    if not isclose(decisive.p_value, whole) and not verdict.rests_on_standout:
        yield (
            "Several people speak one after the other. The most unusual counts, with its p-value multiplied by their "
            f"number: {whole:.2g}"
        )
    if verdict.standout is not None:
        yield _stretch(verdict.standout, whole, verdict.p_value)


def _stretch(found: Standout, whole: float, p_value: float) -> str:
    return (
        f"The stretch that stands out most is {span(found.start, found.end)}, to the check {printable(found.check)}; "
        f"{percent(found.p_value)} of real recordings with as much speech have one that stands out as much. The "
        f"p-values of the whole, {whole:.2g}, and of the stretch, {found.p_value:.2g}, share the level: the smaller of "
        f"whole / {1 - STRETCH_SHARE:g} and stretch / {STRETCH_SHARE:g} is that of the verdict, {p_value:.2g}"
    )


def _meaning(verdict: Verdict) -> Iterator[str]:
    if verdict.p_value is None:
        return
    relation = "at or below" if verdict.p_value <= verdict.level else "above"
    yield (
        f"Of recordings that are real, {percent(verdict.p_value)} score as high as this one. That is {relation} the "
        f"level, {verdict.level:g}, so the verdict is {LABELS[verdict.verdict]}"
    )
    yield (
        f"At this level about {percent(verdict.level)} of real recordings are called suspicious, if they are like "
        "those that it was compared with"
    )
    yield (
        "It is not the probability that this recording is fake. That depends on how many fakes there are where it "
        "comes from, and good fakes score as real recordings do"
    )
    people = [check.people for check in verdict.checks.values() if check.people is not None]
    if people:
        least = 1 / (1 + min(people))
        yield (
            f"It is as sure as what it was compared with: real recordings of {min(people)} people. With that many, p = "
            f"{least:.2g} is the least that a check can say of a recording as a whole, and smaller ones of a stretch "
            "are extrapolated. Cameras, languages and rooms unlike theirs may look unusual in real recordings too"
        )
