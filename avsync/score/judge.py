"""From the evidence of windows to what is said of a track, and from tracks to the file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS
from avsync.score.evidence import Evidence
from avsync.score.readings import ASPECTS, READINGS, lag_of
from avsync.score.reference import Reference
from avsync.score.verdict import Reading, Segment, TrackVerdict

# Of two tracks that share more than this of the shorter one's time, one listens.
_TOGETHER = 0.5


def judge_track(track: int, evidence: Sequence[Evidence], reference: Reference, level: float) -> TrackVerdict:
    """What the windows of one track say together: the mean oddness of each aspect, beside single real windows.

    All windows are read at the track's own lag. A mean of several windows varies less than one, so that the p-value of
    a long track is, if anything, too large.
    """
    weight = np.array([e.speech_seconds for e in evidence])
    lag = lag_of(_mean_curve(evidence, weight))
    evidence = [e.at(lag) for e in evidence]
    seconds = float(np.average([e.seconds for e in evidence], weights=weight))
    odd = [{aspect: reference.odd(aspect, e.readings, e.seconds) for aspect in ASPECTS} for e in evidence]
    mean = {aspect: float(np.average([o[aspect] for o in odd], weights=weight)) for aspect in ASPECTS}
    shares = [
        reference.p_surprise(reference.surprises(o, e.seconds), e.seconds) for o, e in zip(odd, evidence, strict=True)
    ]
    oddness = reference.surprises(mean, seconds)
    values = {name: float(np.average([e.readings[name] for e in evidence], weights=weight)) for name in READINGS}
    left, top, right, bottom = (round(float(v)) for v in np.median([e.box for e in evidence], axis=0))
    return TrackVerdict(
        track=track,
        start=evidence[0].start,
        end=evidence[-1].start + evidence[-1].seconds,
        box=(left, top, right, bottom),
        speech_seconds=float(weight.sum()),
        lag_ms=1000 / FPS * lag,
        readings={
            name: Reading(value, reference.percentile(name, value, seconds), reference.p_value(name, value, seconds))
            for name, value in values.items()
        },
        aspects={aspect: reference.p_odd(aspect, mean[aspect], seconds) for aspect in ASPECTS},
        oddness=oddness,
        p_value=reference.p_surprise(oddness, seconds),
        segments=[
            Segment(e.start, e.start + e.seconds, share)
            for e, share in zip(evidence, shares, strict=True)
            if share <= level
        ],
    )


def _mean_curve(evidence: Sequence[Evidence], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lattice's mean over the speech of all windows, NaN where none can judge."""
    curves = np.array([e.curve for e in evidence], np.float64)
    weights = weight[:, None] * ~np.isnan(curves)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(curves) * weights).sum(axis=0) / weights.sum(axis=0))


def speakers(tracks: Sequence[TrackVerdict]) -> list[TrackVerdict]:
    """The tracks that can be whose speech is heard: of faces seen together, the one whose lips fit the speech best."""
    chosen: list[TrackVerdict] = []
    for track in sorted(tracks, key=lambda t: t.readings["agreement"].value, reverse=True):
        if not any(_seen_together(track, other) for other in chosen):
            chosen.append(track)
    return chosen


def _seen_together(one: TrackVerdict, other: TrackVerdict) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > _TOGETHER * min(one.end - one.start, other.end - other.start)
