"""What a verdict tells of the file itself, beside its checks: facts, and warnings that limit what can be said."""

from math import isnan
from typing import Any

from avsync.media import FPS, RATE
from avsync.recording import Recording
from avsync.score.verdict import TrackVerdict, Verdict

_MIN_FPS = 20  # below, pictures are shown twice on the 25 Hz clock
_MANY_REPEATS = 0.5
_LONG_GAP = 0.1  # s of sound; four packets of AAC
_LONG_DIFFERENCE = 1.0  # s; streams of ordinary files end within a few packets of each other
_LONG_LAG = 280.0  # ms; 7 frames, the largest constant lag met in real web video


def header_facts(recording: Recording) -> dict[str, Any]:
    """Fields of the verdict that the headers tell."""
    info, difference = recording.info, None
    if info.video_seconds is not None and info.audio_seconds is not None and recording.audio is None:
        difference = round(info.audio_seconds - info.video_seconds, 3)
    return {
        "duration": round(info.duration, 3),
        "width": info.width,
        "height": info.height,
        "fps": round(info.fps, 3),
        "audio_rate": info.audio_rate,
        "resampled": abs(info.fps - FPS) > 0.01 or info.audio_rate != RATE,
        "missing_fragments": info.missing_fragments,
        "length_difference": difference,
    }


def speech_facts(recording: Recording) -> dict[str, Any]:
    """Fields of the verdict that the sound tells; none if it was not decoded."""
    activity = recording.known_activity
    if activity is None:
        return {}
    silence = activity.leading_silence
    facts: dict[str, Any] = {"leading_silence": None if isnan(silence) else round(silence, 4)}
    if len(activity.segments):
        facts["trimmed_head"] = round(activity.start, 3)
        facts["trimmed_tail"] = round(max(0.0, activity.duration - activity.stop), 3)
    return facts


def damage_facts(recording: Recording) -> dict[str, Any]:
    """Fields of the verdict on what decoding met; none of streams that were not decoded."""
    facts, sound, seen = dict[str, Any](), recording.sound.facts, recording.seen
    streams = [stream for stream in (sound, seen.stream if seen else None) if stream is not None]
    if streams:
        facts["decode_errors"] = sum(stream.errors + stream.misplaced for stream in streams)
    if sound is not None:
        facts["audio_gap_seconds"] = round(sound.missing, 3)
    if seen is not None:
        facts["video_gap_seconds"] = round(seen.stream.missing, 3)
        facts["picture_rate"] = None if seen.rate is None else round(seen.rate, 2)
        facts["repeated_share"] = round(seen.repeated_share, 4)
        facts["frozen_seconds"] = round(seen.frozen, 2)
    return facts


def damage_warnings(verdict: Verdict) -> list[str]:
    """A line for each damage that the fields of the verdict tell."""
    warnings = []
    if verdict.missing_fragments:
        warnings.append(f"fragments of the file are missing: {verdict.missing_fragments}")
    if verdict.video_gap_seconds:
        warnings.append(f"the pictures have gaps of {verdict.video_gap_seconds:.1f} s, which are left out")
    if verdict.frozen_seconds:
        warnings.append(f"the picture stands still for {verdict.frozen_seconds:.1f} s, which are left out")
    if (verdict.audio_gap_seconds or 0) > _LONG_GAP:
        warnings.append(f"sound is missing for {verdict.audio_gap_seconds:.1f} s")
    if abs(verdict.length_difference or 0) > _LONG_DIFFERENCE:
        when = "after" if (verdict.length_difference or 0) > 0 else "before"
        warnings.append(f"the sound ends {abs(verdict.length_difference or 0):.1f} s {when} the pictures")
    return warnings


def judging_warnings(verdict: Verdict, decisive: TrackVerdict | None, *, calibrated: bool) -> list[str]:
    """A line for each reason why a verdict that was reached is less sure."""
    warnings = []
    rate = verdict.fps if verdict.picture_rate is None else verdict.picture_rate
    if 0 < rate < _MIN_FPS:
        warnings.append(f"only {rate:.0f} pictures per second: lips are judged less surely")
    elif (verdict.repeated_share or 0) > _MANY_REPEATS:
        warnings.append(f"{verdict.repeated_share:.0%} of the pictures repeat the one before")
    if decisive is not None and decisive.lag_ms is not None and abs(decisive.lag_ms) >= _LONG_LAG:
        direction = "after" if decisive.lag_ms > 0 else "before"
        warnings.append(
            f"the sound comes {abs(decisive.lag_ms):.0f} ms {direction} the lips: more than most real files"
        )
    if not calibrated:
        warnings.append("not calibrated on real recordings: avsync calibrate does that")
    return warnings
