"""The words for a verdict, the same on the terminal and on the page."""

from collections.abc import Sequence

from avsync.checks.registry import CHECKS
from avsync.errors import Reason
from avsync.report.subjects import Subject, recording_checks, subjects
from avsync.score.verdict import Peak, Segment, Verdict
from avsync.text import printable

LABELS = {
    "consistent": "consistent",
    "suspicious": "suspicious",
    "measured": "measured",
    "cannot_judge": "cannot judge",
}
# A sentence names at most this many segments; the table and the files have them all.
_MOST_SEGMENTS = 3


def verdict_line(verdict: Verdict) -> str:
    """Return one safe line: the path as it was given, the verdict, and the reason for it."""
    return f"{printable(verdict.path)}: {LABELS[verdict.verdict]} — {sentence(verdict)}"


def sentence(verdict: Verdict) -> str:
    """Return the reason for the verdict, without a full stop, safe for a terminal."""
    decisive = next((subject for subject in subjects(verdict) if subject.decisive), None)
    if verdict.verdict == "cannot_judge" or decisive is None:
        return _refusal(verdict)
    return f"{decisive.name} ({span(decisive.start, decisive.end)}): " + "; ".join(_parts(verdict, decisive))


def unanswered(verdict: Verdict) -> list[str]:
    """Return a line for the checks that have no answer: "lips, face: no answer, no_audio: the file has no sound".

    Checks with the same reason share a line. The sentence of a refused file already names those with its own reason.
    """
    return [
        f"{', '.join(names)}: no answer, {reason}"
        for reason, names in _unanswered(verdict).items()
        if verdict.verdict != "cannot_judge" or reason != _reason(verdict.reason, verdict.detail)
    ]


def question(name: str) -> str:
    """Return what a check asks, or its name if it is not registered."""
    check = CHECKS.get(name)
    return check.question if check else printable(name)


def finding(name: str, peak: Peak | None = None) -> str:
    """Return what a suspicious recording shows to this check, and where, if it says that of a voice."""
    check = CHECKS.get(name)
    found = check.finding if check else f"the check {printable(name)} finds something unusual"
    if peak is None:
        return found
    stretch = span(peak.start, peak.end).replace("–", " and ")
    return f"{found}, most between {stretch} around {peak.frequency / 1000:.1f} kHz"


def values(subject: Subject) -> str:
    """Return the readings as they are: speechforensics 0.312."""
    readings = (item for check in subject.checks.values() for item in check.readings.items())
    return ", ".join(f"{printable(name)} {number(reading.value)}" for name, reading in readings)


def number(value: float) -> str:
    """Return a reading with three digits, and without a power of ten where people know the number: 0.312, 7980."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def place(percentile: float) -> str:
    """Return where a reading stands among those of real recordings, `percentile` 0 to 100: lower than 98 % of them."""
    side, share = ("lower", 100 - percentile) if percentile < 50 else ("higher", percentile)
    return (
        f"{side} than {share:.0f} % of real recordings" if share < 99.5 else f"{side} than nearly all real recordings"
    )


def contents(verdict: Verdict) -> str:
    """Return what a file holds: 8.0 s, pictures of 640×360 pixels, 25 per second, sound of 16000 samples per second."""
    parts = [f"{verdict.duration:.1f} s" if verdict.duration < 60 else f"{clock(verdict.duration)} minutes"]
    pictures = f"pictures of {verdict.width}×{verdict.height} pixels, {verdict.fps:.3g} per second"
    parts.append(pictures if verdict.width else "no pictures")
    parts.append(f"sound of {verdict.audio_rate} samples per second" if verdict.audio_rate else "no sound")
    return ", ".join(parts)


def details(verdict: Verdict) -> list[str]:
    """Return lines on what a file holds and on every reading of the face that decides or of the recording."""
    lines = [contents(verdict)] if verdict.sha256 else []
    for name, check in verdict.checks.items():
        for reading, taken in check.readings.items():
            where = "" if taken.percentile is None else f", {place(taken.percentile)}"
            lines.append(f"{printable(name)}: {printable(reading)} {number(taken.value)}{where}")
    return lines


def subject_cells(subject: Subject, *, marked: bool) -> tuple[str, str, str, str]:
    """Return face, time, speech and lag; `marked`: an asterisk shows the decisive face."""
    name = "–" if subject.face is None else str(subject.face)
    return (
        f"* {name}" if marked and subject.decisive else name,
        span(subject.start, subject.end),
        "–" if subject.speech_seconds is None else f"{subject.speech_seconds:.1f} s",
        "–" if subject.lag_ms is None else f"{round(subject.lag_ms):+d} ms",
    )


def p_cells(verdict: Verdict, subject: Subject, names: Sequence[str]) -> list[str]:
    """Return the p-value of each of these checks and of all together; a dash for what has no answer.

    The last of the face that decides is that of the verdict: the one to compare with the level.
    """
    shares = [subject.checks[name].p_value if name in subject.checks else None for name in names]
    last = verdict.p_value if subject.decisive else subject.p_value
    return ["–" if share is None else f"{share:.2g}" for share in (*shares, last)]


def lag(lag_ms: float) -> str:
    """Return whether the sound comes before or after the lips."""
    ms = round(lag_ms)
    if ms == 0:
        return "the sound comes with the lips"
    return f"the sound comes {abs(ms)} ms {'after' if ms > 0 else 'before'} the lips"


def percent(share: float) -> str:
    """Return a share, with two digits when it is small: 1.3 %."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def spans(segments: Sequence[Segment]) -> str:
    """Return the first segments, and how many more there are."""
    named = ", ".join(span(segment.start, segment.end) for segment in segments[:_MOST_SEGMENTS])
    more = len(segments) - _MOST_SEGMENTS
    return f"{named} and {more} more" if more > 0 else named


def span(start: float, end: float) -> str:
    """Return a stretch in seconds, or in minutes and seconds beyond the first minute: 0.2–7.9 s, 1:02.5–1:04.0."""
    return f"{start:.1f}–{end:.1f} s" if end < 60 else f"{clock(start)}–{clock(end)}"


def clock(seconds: float) -> str:
    """Return minutes and seconds: 1:02.5."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"


def enumerated(words: Sequence[str]) -> str:
    """Return words as they are listed in a sentence: lips, face and voice."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _parts(verdict: Verdict, decisive: Subject) -> list[str]:
    parts = [values(decisive)] if verdict.p_value is None else _outcome(verdict, verdict.p_value, decisive)
    if decisive.lag_ms is not None:
        parts.append(lag(decisive.lag_ms))
    if verdict.verdict == "suspicious" and (segments := _segments(verdict, decisive)):
        parts.append(f"suspicious segments: {spans(segments)}")
    return parts


def _segments(verdict: Verdict, decisive: Subject) -> list[Segment]:
    """Those of the decisive subject; if the finding is of the recording as a whole, those of that check."""
    of_recording = recording_checks(verdict).get(_most_anomalous(decisive))
    return decisive.segments if of_recording is None else of_recording.segments


def _outcome(verdict: Verdict, p_value: float, decisive: Subject) -> list[str]:
    share = f"{percent(p_value)} of real recordings score as high (p = {p_value:.2g})"
    if verdict.verdict == "suspicious":
        return [_found(verdict, decisive), f"only {share}"]
    return [f"nothing unusual in {enumerated(list(map(printable, decisive.checks)))}", share]


def _found(verdict: Verdict, decisive: Subject) -> str:
    if verdict.standout is not None and verdict.rests_on_standout:
        return f"{finding(verdict.standout.check)}, most at {span(verdict.standout.start, verdict.standout.end)}"
    name = _most_anomalous(decisive)
    result = verdict.checks.get(name)
    return finding(name, result.peak if result else None)


def _most_anomalous(subject: Subject) -> str:
    p_values = {name: 1.0 if check.p_value is None else check.p_value for name, check in subject.checks.items()}
    return min(p_values, key=p_values.__getitem__)


def _refusal(verdict: Verdict) -> str:
    reason = _reason(verdict.reason, verdict.detail)
    names = _unanswered(verdict).get(reason)
    if names is None or verdict.reason is Reason.UNREADABLE:  # then it is plain that none has an answer
        return reason
    return f"{reason} (no answer: {', '.join(names)})"


def _unanswered(verdict: Verdict) -> dict[str, list[str]]:
    """Return the names of the checks that have no answer, by reason."""
    found: dict[str, list[str]] = {}
    for name, check in verdict.checks.items():
        if check.reason is not None:
            found.setdefault(_reason(check.reason, check.detail), []).append(printable(name))
    return found


def _reason(reason: str | None, detail: str) -> str:
    return f"{reason}: {printable(detail)}"
