"""How a verdict is said in words, the same on the terminal and on the page."""

from avsync.score.verdict import Segment, TrackVerdict, Verdict

LABELS = {
    "consistent": "consistent",
    "suspicious": "suspicious",
    "measured": "measured",
    "cannot_judge": "cannot judge",
}
# What is said of a suspicious face, by its odder aspect.
_FINDINGS = {
    "speech": "moves its lips unlike the speech that is heard",
    "picture": "moves or looks unlike faces of real clips",
}
# More passages than this make no sentence; the table and the files have them all.
_PASSAGES = 3


def printable(text: str) -> str:
    """`text` with everything that steers a terminal or reverses writing shown as an escape, on one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def verdict_line(verdict: Verdict) -> str:
    """One safe line: the path as it was given, the verdict, and what it rests on."""
    return f"{printable(verdict.path)}: {LABELS[verdict.verdict]} — {sentence(verdict)}"


def sentence(verdict: Verdict) -> str:
    """Why the verdict is what it is, without a full stop, safe for a terminal."""
    if verdict.rests_on is None:
        return f"{verdict.reason}: {printable(verdict.detail)}"
    track = next(track for track in verdict.tracks if track.track == verdict.rests_on)
    if verdict.p_value is None:
        return f"face {track.track} ({span(track.start, track.end)}) has {values(track)}; {lag(track)}"
    share = f"{percent(verdict.p_value)} of real clips are at least as odd (p = {verdict.p_value:.2g}); {lag(track)}"
    subject = f"face {track.track} ({span(track.start, track.end)})"
    if verdict.verdict == "consistent":
        does = "speaks and looks" if "picture" in track.aspects else "speaks"
        return f"{subject} {does} as people in real clips do: {share}"
    passages = f"; odd by themselves: {spans(track.segments)}" if track.segments else ""
    return f"{subject} {_FINDINGS[min(track.aspects, key=track.aspects.__getitem__)]}: only {share}{passages}"


def values(track: TrackVerdict) -> str:
    """The readings of a face that is compared with no real clip: speechforensics 0.312."""
    return ", ".join(f"{name} {reading.value:.3g}" for name, reading in track.readings.items())


def p_cells(track: TrackVerdict) -> tuple[str, str, str]:
    """The p-values of lips, of the face, and of both; a dash for what was not asked."""
    shares = (track.aspects.get("speech"), track.aspects.get("picture"), track.p_value)
    lips, face, either = ("–" if share is None else f"{share:.2g}" for share in shares)
    return lips, face, either


def lag(track: TrackVerdict) -> str:
    """Whether the sound comes before or after the lips."""
    ms = round(track.lag_ms)
    if ms == 0:
        return "sound comes with the lips"
    return f"sound comes {abs(ms)} ms {'after' if ms > 0 else 'before'} the lips"


def percent(share: float) -> str:
    """A share, to two digits when it is small: 1.3 %."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def spans(segments: list[Segment]) -> str:
    """The first passages, and how many more there are."""
    named = ", ".join(span(segment.start, segment.end) for segment in segments[:_PASSAGES])
    more = len(segments) - _PASSAGES
    return f"{named} and {more} more" if more > 0 else named


def span(start: float, end: float) -> str:
    """A stretch in seconds, or in minutes and seconds beyond the first minute: 0.2–7.9 s, 1:02.5–1:04.0."""
    return f"{start:.1f}–{end:.1f} s" if end < 60 else f"{clock(start)}–{clock(end)}"


def clock(seconds: float) -> str:
    """Minutes and seconds: 1:02.5."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"
