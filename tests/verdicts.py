"""Verdicts of each kind, made up, as a detector of lips, face and voice would give them."""

from dataclasses import replace

from avsync.errors import Reason
from avsync.score.verdict import (
    CheckResult,
    CheckScore,
    Peak,
    ReadingValue,
    Segment,
    Standout,
    TrackVerdict,
    Verdict,
    WindowResult,
)

LIPS = CheckScore(2.1, 0.031, {"agreement": ReadingValue(-0.4, 1.2, 0.06), "head_turn": ReadingValue(0.1, 60.0, 0.8)})
FACE = CheckScore(0.4, 0.42, {"mouth_detail": ReadingValue(-0.1, 40.0, 0.8)})
VOICE = CheckScore(0.2, 0.6, {"voice_anomaly": ReadingValue(-1.5, 38.0, 0.76)})
SCORES = {"lips": LIPS, "face": FACE, "voice": VOICE}


def whole(score, windows, **more):
    """The result of a check on the file, out of its score."""
    return CheckResult(score.anomaly_score, score.p_value, score.readings, list(windows), people=31, **more)


def suspicious(path="dubbed.mp4"):
    """One face, whose lips do not match the speech."""
    spans = ((0.2, 2.7, 0.4), (2.7, 5.3, 0.031), (5.3, 7.9, 0.2))
    of_face = [WindowResult(start, end, 1 - p, p, track=0) for start, end, p in spans]
    of_voice = [WindowResult(0.2, 2.8, 0.2, 0.6), WindowResult(2.8, 5.4, 0.1, 0.8)]
    segments = [Segment(2.7, 5.3, 0.031)]
    track = TrackVerdict(0, 0.2, 7.9, (240, 80, 420, 260), 7.7, 160.0, SCORES, 1.9, 0.031, segments)
    return Verdict(
        path=path,
        verdict="suspicious",
        p_value=0.031,
        anomaly_score=1.9,
        decisive_track=0,
        sha256="ab" * 32,
        duration=8.0,
        width=640,
        height=360,
        fps=29.97,
        audio_rate=48000,
        trimmed_head=0.2,
        trimmed_tail=0.1,
        resampled=True,
        checks={
            "lips": whole(LIPS, of_face),
            "face": whole(FACE, of_face[:1]),
            "voice": whole(VOICE, of_voice, peak=Peak(0.4, 1.2, 5130.0)),
        },
        tracks=[track],
        warnings=["sound is missing for 0.3 s"],
        model="toy",
        weights_sha256="cd" * 32,
    )


def spliced(path="spliced.mp4"):
    """One face; the recording as a whole is ordinary, but for a second of another speech."""
    judged = suspicious(path)
    track = replace(judged.tracks[0], p_value=0.4, segments=[])
    standout = Standout("lips", 3.1, 4.2, 0.004, track=0)
    whole = {"p_value": 0.02, "whole_p_value": 0.4, "standout": standout, "rests_on_standout": True}
    return replace(judged, tracks=[track], warnings=[], **whole)


def consistent(path="meeting.mp4"):
    """Two faces, one after the other; the second decides, its p-value doubled."""
    first = replace(suspicious().tracks[0], end=3.9, p_value=0.6, lag_ms=-40.0, segments=[])
    second = replace(first, track=1, start=4.1, end=7.9, p_value=0.2)
    judged = suspicious(path)
    return replace(judged, verdict="consistent", p_value=0.4, decisive_track=1, tracks=[first, second], warnings=[])


def of_sound(path="voice.wav"):
    """A file of sound alone, whose voice is odd."""
    odd = replace(VOICE, p_value=0.031, anomaly_score=2.0)
    windows = [WindowResult(0.0, 2.0, 2.0, 0.031), WindowResult(2.0, 4.0, 0.3, 0.5)]
    unasked = CheckResult(reason=Reason.NO_VIDEO, detail="the file has no moving picture")
    result = whole(odd, windows, segments=[Segment(0.0, 2.0, 0.031)], peak=Peak(0.4, 1.2, 5130.0))
    return Verdict(
        path=path,
        verdict="suspicious",
        p_value=0.031,
        anomaly_score=2.0,
        sha256="ab" * 32,
        duration=4.0,
        audio_rate=16000,
        checks={"lips": unasked, "face": unasked, "voice": result},
        model="toy",
    )


def measured(path="uncalibrated.mp4"):
    """What a backbone without calibration gives."""
    score = CheckScore(-0.312, None, {"speechforensics": ReadingValue(0.312)})
    window = WindowResult(0.2, 7.9, -0.312, None, track=0)
    track = TrackVerdict(0, 0.2, 7.9, (1, 2, 3, 4), 6.5, 40.0, {"lips": score}, -0.312)
    return Verdict(
        path=path,
        verdict="measured",
        anomaly_score=-0.312,
        decisive_track=0,
        sha256="ab" * 32,
        duration=8.0,
        width=640,
        height=360,
        fps=25.0,
        audio_rate=16000,
        checks={"lips": replace(whole(score, [window]), people=None)},
        tracks=[track],
    )


def refused(path="landscape.mp4", reason=Reason.NO_FACE, detail="no face is seen while somebody speaks"):
    """A file that no check could be asked about."""
    check = CheckResult(reason=reason, detail=detail)
    return Verdict(path, "cannot_judge", reason, detail, duration=8.0, checks=dict.fromkeys(SCORES, check))
