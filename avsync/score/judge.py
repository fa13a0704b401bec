"""From the evidence of windows to what is said of a track, and from tracks to the file."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS
from avsync.score.evidence import Evidence
from avsync.score.readings.lattice import ODD_WHEN_HIGH
from avsync.score.readings import lag_of
from avsync.score.reference import Reference
from avsync.score.verdict import Reading, Segment, TrackVerdict

# Of two tracks that share more than this of the shorter one's time, one listens.
_TOGETHER = 0.5


def judge_track(track: int, evidence: Sequence[Evidence], reference: Reference, level: float) -> TrackVerdict:
    """What the windows of one track say together: the mean oddness of each aspect, beside single real windows.

    All windows are read at the track's own lag. A mean of several windows varies less than one, so that the p-value of
    a long track is, if anything, too large.
    """
    evidence, lag = _at_common_lag(evidence)
    weight = np.array([e.speech_seconds for e in evidence])
    seconds = float(np.average([e.seconds for e in evidence], weights=weight))
    odd = [_oddness(e, reference) for e in evidence]
    mean = {aspect: float(np.average([o[aspect] for o in odd], weights=weight)) for aspect in reference.aspects}
    oddness = reference.surprises(mean, seconds)
    averaged = _averaged(track, evidence, lag)
    return replace(
        averaged,
        readings={name: _beside_real(name, r.value, seconds, reference) for name, r in averaged.readings.items()},
        aspects={aspect: reference.p_odd(aspect, value, seconds) for aspect, value in mean.items()},
        oddness=oddness,
        p_value=reference.p_surprise(oddness, seconds),
        segments=odd_passages(evidence, reference, level),
    )


def measure_track(track: int, evidence: Sequence[Evidence], ranked_by: str) -> TrackVerdict:
    """The windows' readings at their common lag, beside nothing; `oddness` is one of them, high where it is odd."""
    averaged = _averaged(track, *_at_common_lag(evidence))
    value = averaged.readings[ranked_by].value
    return replace(averaged, oddness=value if ranked_by in ODD_WHEN_HIGH else -value)


def _averaged(track: int, evidence: Sequence[Evidence], lag: int) -> TrackVerdict:
    """Where and when the track is, its lag in frames, and its readings averaged over speech."""
    weight = np.array([e.speech_seconds for e in evidence])
    means = {
        name: float(np.average([e.readings[name] for e in evidence], weights=weight)) for name in evidence[0].readings
    }
    left, top, right, bottom = (round(float(v)) for v in np.median([e.box for e in evidence], axis=0))
    return TrackVerdict(
        track=track,
        start=evidence[0].start,
        end=evidence[-1].start + evidence[-1].seconds,
        box=(left, top, right, bottom),
        speech_seconds=float(weight.sum()),
        lag_ms=1000 / FPS * lag,
        readings={name: Reading(value) for name, value in means.items()},
    )


def _at_common_lag(evidence: Sequence[Evidence]) -> tuple[list[Evidence], int]:
    """All windows read at the lag, in frames, that fits them best together."""
    lag = lag_of(_mean_curve(evidence, np.array([e.speech_seconds for e in evidence])))
    return [e.at(lag) for e in evidence], lag


def odd_passages(evidence: Sequence[Evidence], reference: Reference, level: float) -> list[Segment]:
    """The windows that are suspicious by themselves."""
    surprises = [reference.surprises(_oddness(e, reference), e.seconds) for e in evidence]
    shares = [reference.p_surprise(s, e.seconds) for s, e in zip(surprises, evidence, strict=True)]
    return [Segment(e.start, e.start + e.seconds, p) for e, p in zip(evidence, shares, strict=True) if p <= level]


def _beside_real(name: str, value: float, seconds: float, reference: Reference) -> Reading:
    return Reading(value, reference.percentile(name, value, seconds), reference.p_value(name, value, seconds))


def _oddness(evidence: Evidence, reference: Reference) -> dict[str, float]:
    return {aspect: reference.odd(aspect, evidence.readings, evidence.seconds) for aspect in reference.aspects}


def _mean_curve(evidence: Sequence[Evidence], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lattice's mean over the speech of all windows, NaN where none can judge."""
    curves = np.array([e.curve for e in evidence], np.float64)
    weights = weight[:, None] * ~np.isnan(curves)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(curves) * weights).sum(axis=0) / weights.sum(axis=0))


def speakers(tracks: Sequence[TrackVerdict]) -> list[TrackVerdict]:
    """The tracks that can be whose speech is heard: of faces seen together, the one whose lips fit the speech best."""
    chosen: list[TrackVerdict] = []
    for track in sorted(tracks, key=_fit, reverse=True):
        if not any(_seen_together(track, other) for other in chosen):
            chosen.append(track)
    return chosen


def _fit(track: TrackVerdict) -> float:
    return track.readings["agreement"].value if "agreement" in track.readings else -track.oddness


def _seen_together(one: TrackVerdict, other: TrackVerdict) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > _TOGETHER * min(one.end - one.start, other.end - other.start)
