"""What a verdict has results for: each face, and the recording as a whole. One subject is one row and one lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avsync.score.verdict import CheckResult, CheckScore, Segment, TrackVerdict, Verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """One face, or the recording as a whole.

    Attributes:
        face: number of the face; None: the recording.
        start, end: where it is, in seconds.
        speech_seconds, lag_ms: as in `TrackVerdict`; None where they are not measured.
        checks: the score of each check, by name.
        p_value: of all these checks together; None without calibration.
        segments: the windows that are suspicious by themselves.
        decisive: whether the verdict rests on it.
    """

    face: int | None
    start: float
    end: float
    speech_seconds: float | None
    lag_ms: float | None
    checks: Mapping[str, CheckScore | CheckResult]
    p_value: float | None
    segments: list[Segment]
    decisive: bool

    @property
    def name(self) -> str:
        """As texts call it."""
        return "recording" if self.face is None else f"face {self.face}"


def subjects(verdict: Verdict) -> list[Subject]:
    """Return the faces by number, then the recording if a check of the recording as a whole has a score."""
    faces = [_face(track, decisive=track.track == verdict.decisive_track) for track in verdict.tracks]
    of_recording = recording_checks(verdict)
    return [*faces, _recording(verdict, of_recording)] if of_recording else faces


def rows(verdict: Verdict) -> list[Subject]:
    """Return what a table has rows for: the faces, and the recording if it decides or has segments of its own.

    Otherwise the faces repeat its p-values.
    """
    return [
        subject for subject in subjects(verdict) if subject.face is not None or subject.decisive or subject.segments
    ]


def recording_checks(verdict: Verdict) -> dict[str, CheckResult]:
    """Return the checks that have a score of the recording as a whole, by name. They are fused with those of faces."""
    return {
        name: check
        for name, check in verdict.checks.items()
        if check.anomaly_score is not None and any(window.track is None for window in check.windows)
    }


def whole_p_value(verdict: Verdict) -> float | None:
    """Return the p-value of the recording as a whole, without the stretch that stands out."""
    return verdict.p_value if verdict.whole_p_value is None else verdict.whole_p_value


def check_names(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the names of all checks in these verdicts, each once."""
    of_files = (name for verdict in verdicts for name in verdict.checks)
    of_faces = (name for verdict in verdicts for track in verdict.tracks for name in track.checks)
    return list(dict.fromkeys([*of_files, *of_faces]))


def _face(track: TrackVerdict, *, decisive: bool) -> Subject:
    return Subject(
        face=track.track,
        start=track.start,
        end=track.end,
        speech_seconds=track.speech_seconds,
        lag_ms=track.lag_ms,
        checks=track.checks,
        p_value=track.p_value,
        segments=track.segments,
        decisive=decisive,
    )


def _recording(verdict: Verdict, checks: Mapping[str, CheckResult]) -> Subject:
    windows = [window for check in checks.values() for window in check.windows]
    segments = [segment for check in checks.values() for segment in check.segments]
    decisive = verdict.decisive_track is None
    return Subject(
        face=None,
        start=min(window.start for window in windows),
        end=max(window.end for window in windows),
        speech_seconds=None,
        lag_ms=None,
        checks=checks,
        p_value=whole_p_value(verdict) if decisive else None,
        segments=sorted(segments, key=lambda segment: segment.start),
        decisive=decisive,
    )
