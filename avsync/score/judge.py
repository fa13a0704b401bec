"""From the windows of a face to its verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from avsync.media import FPS
from avsync.score.calibration import Calibration
from avsync.score.frames import FrameScores, moment_scores, propose
from avsync.score.quantiles import Floats, checked
from avsync.score.readings import Reading
from avsync.score.reference import Reference
from avsync.score.verdict import CheckScore, Peak, Proposal, ReadingValue, Segment, TrackVerdict, WindowResult
from avsync.score.windows import Combined, WindowScore

# Two tracks that overlap by more than this share of the shorter are on screen together; only one is the speaker.
_TOGETHER = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """One check on one face or recording.

    Attributes:
        score: what is reported.
        windows: the score of each window.
        raw, seconds: the calibrated score before it becomes a p-value, and the length of its windows (s).
        combined: the windows that it was taken from.
        frames: the score of each frame.
        proposals: the segments that they propose, the best first.
        people: of how many people there are real windows of this length; None without calibration.
    """

    score: CheckScore
    windows: list[WindowResult]
    raw: float
    seconds: float
    combined: Combined
    frames: FrameScores
    proposals: list[Proposal]
    people: int | None = None


def judge_check(combined: Combined, readings: Sequence[Reading], ranked_by: str, reference: Reference | None) -> Judged:
    """Score one check on one face: the mean score of its units, compared with single real windows.

    A mean of several windows varies less than one, so that the p-value of a long track is, if anything, too large.

    Raises:
        CannotJudge: `crashed`; a reading is not a number (`avsync.score.quantiles.checked`).
    """
    units, track = combined.units, combined.windows[0].track
    weights = [unit.speech_seconds for unit in units]
    seconds = float(np.average([unit.seconds for unit in units], weights=weights))
    averaged = ((r.name, np.average([unit.readings[r.name] for unit in units], weights=weights)) for r in readings)
    means = {name: checked(name, float(mean)) for name, mean in averaged}
    if reference is None:
        sign = 1 if next(r for r in readings if r.name == ranked_by).odd == "high" else -1
        score = CheckScore(sign * means[ranked_by], None, {name: ReadingValue(v) for name, v in means.items()})
        windows = [_window(w, sign * w.readings[ranked_by], None) for w in combined.windows]
        frames = _frame_scores(combined, windows, _raw)
        return Judged(score, windows, score.anomaly_score, seconds, combined, frames, propose(frames, track))
    raw = float(np.average([reference.score(unit.readings, unit.seconds) for unit in units], weights=weights))
    values = {name: _beside_real(name, value, seconds, reference) for name, value in means.items()}
    score = CheckScore(reference.log_p(raw, seconds), reference.p_value(raw, seconds), values)
    judged = [_judged_window(w, reference) for w in combined.windows]
    frames = _frame_scores(combined, judged, partial(reference.tail, ranked_by))
    people = round(reference.people_at(seconds))
    return Judged(score, judged, raw, seconds, combined, frames, propose(frames, track), people)


def judge_track(
    track: int, checks: Mapping[str, Judged], calibration: Calibration | None, level: float
) -> TrackVerdict:
    """Fuse the checks of one face, first those of the face, then those of the recording as a whole, if any.

    Its segments are windows of the face: those of the recording as a whole are the same for every face
    (`recording_segments`).
    """
    first = next(iter(checks.values()))
    units = [unit for judged in checks.values() for unit in judged.combined.units if unit.track is not None]
    boxes = [unit.box for unit in first.combined.units if unit.box is not None]
    left, top, right, bottom = (round(float(v)) for v in np.median(boxes, axis=0))
    lags = [judged.combined.lag for judged in checks.values() if judged.combined.lag is not None]
    anomaly_score, p_value = fuse(checks, calibration)
    return TrackVerdict(
        track=track,
        start=min(unit.start for unit in units),
        end=max(unit.end for unit in units),
        box=(left, top, right, bottom),
        speech_seconds=float(sum(unit.speech_seconds for unit in first.combined.units)),
        lag_ms=1000 / FPS * lags[0] if lags else None,
        checks={name: judged.score for name, judged in checks.items()},
        anomaly_score=anomaly_score,
        p_value=p_value,
        segments=_segments(checks, calibration, level) if calibration else [],
    )


def fuse(checks: Mapping[str, Judged], calibration: Calibration | None) -> tuple[float, float | None]:
    """The `anomaly_score` and the p-value of several checks; without calibration the score of the first, and None."""
    if calibration is None:
        return next(iter(checks.values())).score.anomaly_score, None
    return calibration.fuse(
        {name: judged.raw for name, judged in checks.items()},
        {name: judged.seconds for name, judged in checks.items()},
    )


def recording_segments(judged: Judged, level: float) -> list[Segment]:
    """The windows of the recording as a whole that are suspicious to one check."""
    whole = (window for window in judged.windows if window.track is None)
    return [Segment(w.start, w.end, w.p_value) for w in whole if w.p_value is not None and w.p_value <= level]


def recording_peak(judged: Judged) -> Peak | None:
    """Where the most anomalous window of the recording as a whole is most anomalous, if the check looks for it."""
    pairs = zip(judged.windows, judged.combined.windows, strict=True)
    found = [(result.anomaly_score, w.peak) for result, w in pairs if w.peak is not None and result.track is None]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _segments(checks: Mapping[str, Judged], calibration: Calibration, level: float) -> list[Segment]:
    """The windows of a face that are suspicious by themselves, all checks of the same window fused."""
    by_window: dict[tuple[float, float], dict[str, WindowScore]] = {}
    for name, judged in checks.items():
        for window in judged.combined.windows:
            if window.track is not None:
                by_window.setdefault((window.start, window.end), {})[name] = window
    found = []
    for (start, end), windows in sorted(by_window.items()):
        raw = {name: calibration.references[name].score(w.readings, w.seconds) for name, w in windows.items()}
        _, p_value = calibration.fuse(raw, {name: w.seconds for name, w in windows.items()})
        if p_value <= level:
            found.append(Segment(start, end, p_value))
    return found


def speakers(tracks: Sequence[TrackVerdict]) -> list[TrackVerdict]:
    """Candidate speakers: among faces on screen together, the one whose lips match the speech best."""
    chosen: list[TrackVerdict] = []
    for track in sorted(tracks, key=_fit, reverse=True):
        if not any(_seen_together(track, other) for other in chosen):
            chosen.append(track)
    return chosen


def _fit(track: TrackVerdict) -> float:
    for check in track.checks.values():
        if "agreement" in check.readings:
            return check.readings["agreement"].value
    return -track.anomaly_score


def _seen_together(one: TrackVerdict, other: TrackVerdict) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > _TOGETHER * min(one.end - one.start, other.end - other.start)


def _beside_real(name: str, value: float, seconds: float, reference: Reference) -> ReadingValue:
    if name not in reference.readings:
        return ReadingValue(value)
    percentile = reference.percentile(name, value, seconds)
    return ReadingValue(value, percentile, reference.reading_p_value(name, value, seconds))


def _judged_window(window: WindowScore, reference: Reference) -> WindowResult:
    raw = reference.score(window.readings, window.seconds)
    return _window(window, reference.log_p(raw, window.seconds), reference.p_value(raw, window.seconds))


def _frame_scores(
    combined: Combined, windows: Sequence[WindowResult], score: Callable[[Floats], Floats]
) -> FrameScores:
    """Score each frame by its moment, and by its window where a check has no moments."""
    if (by_moment := moment_scores(combined.windows, score)) is not None:
        return by_moment
    counts = [round(window.seconds * FPS) for window in combined.windows]
    times = [w.start + (np.arange(count) + 0.5) / FPS for w, count in zip(combined.windows, counts, strict=True)]
    scores = [np.full(count, of.anomaly_score) for of, count in zip(windows, counts, strict=True)]
    return FrameScores(np.concatenate(times), np.concatenate(scores))


def _raw(moments: Floats) -> Floats:
    """Without calibration, moments are their own scores."""
    return moments


def _window(window: WindowScore, anomaly_score: float, p_value: float | None) -> WindowResult:
    return WindowResult(window.start, window.end, anomaly_score, p_value, window.track)
