"""Detector: a file in, a Verdict out."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from avsync.errors import CannotJudge, Reason, UsageError
from avsync.files import sha256_of
from avsync.media import FPS, RATE, MediaInfo, probe
from avsync.methods import Faces, load_method
from avsync.score.judge import speakers
from avsync.score.verdict import TrackVerdict, Verdict
from avsync.speech import Trim, speech_activity

_MIN_FPS = 20  # below, pictures are shown twice on the 25 Hz clock
_LONG_LAG = 280.0  # ms; 7 frames, the largest constant lag met in real web video


class Detector:
    """Judges files by how their lips and speech go together, beside real clips.

    Args:
        weights: a checkpoint made by `avsync train` and `avsync calibrate`; None is the embedded one.
        backbone: encoders of lips and speech, such as "avhubert" (`avsync.features.backbone`), in place of the
            checkpoint's own; without `weights`, their cosines are read.
        reading: how their lattice is read (`avsync.score.lattices`).
        features: folder of features that `avsync extract` made of this backbone.
        trim: what silence is left out (`avsync.speech.speech_activity`).
        level: the share of real clips that may be called suspicious.

    Raises:
        UsageError: weights cannot be used or do not go together, there is no such `trim` or `reading`, or `level` is
            not between 0 and 1.
    """

    def __init__(
        self,
        weights: Path | None = None,
        *,
        backbone: str | None = None,
        reading: str | None = None,
        features: Path | None = None,
        trim: Trim = "default",
        level: float = 0.05,
    ) -> None:
        if not 0 < level < 1:
            raise UsageError(f"level {level}: must be between 0 and 1, such as 0.05")
        if trim not in get_args(Trim):
            raise UsageError(f"trim {trim}: must be one of {', '.join(get_args(Trim))}")
        loaded = load_method(Path(weights) if weights else None, backbone, reading, trim=trim, store=features)
        self._method, self._trim, self._level = loaded.method, trim, level
        self.model, self.weights_sha256 = loaded.name, loaded.weights_sha256

    def score(self, path: str | Path) -> Verdict:
        """Judge one file. A file that cannot be judged is a verdict too, with its reason; nothing is raised for it."""
        path = Path(path)
        verdict = Verdict(
            path=str(path),
            verdict="cannot_judge",
            level=self._level,
            model=self.model,
            weights_sha256=self.weights_sha256,
        )
        warnings: list[str] = []
        try:
            info = probe(path)
            verdict = replace(verdict, sha256=sha256_of(path), **_facts(info))
            return self._judge(info, verdict, warnings)
        except CannotJudge as refusal:
            return replace(verdict, reason=refusal.reason, detail=refusal.detail, warnings=warnings)

    def _judge(self, info: MediaInfo, verdict: Verdict, warnings: list[str]) -> Verdict:
        if not info.has_video:
            raise CannotJudge(Reason.NO_VIDEO, "the file has no moving picture")
        if not info.has_audio:
            raise CannotJudge(Reason.NO_AUDIO, "the file has no sound")
        activity = speech_activity(info.path, self._trim, warnings)
        if not len(activity.segments):
            raise CannotJudge(Reason.NO_SPEECH, "no speech is heard")
        verdict = replace(
            verdict,
            trimmed_head=round(activity.start, 3),
            trimmed_tail=round(max(0.0, activity.duration - activity.stop), 3),
        )
        faces = Faces()
        tracks = self._method.tracks(info.path, activity, warnings, self._level, faces)
        if not tracks:
            raise faces.refusal()
        speaking = speakers(tracks)
        odd = max(speaking, key=lambda track: (-track.p_value if track.p_value is not None else 0, track.oddness))
        verdict = replace(
            verdict,
            verdict="measured",
            oddness=odd.oddness,
            rests_on=odd.track,
            tracks=tracks,
            warnings=[*warnings, *_warnings(info, odd)],
        )
        if odd.p_value is None:
            return replace(
                verdict, warnings=[*verdict.warnings, "not calibrated on real clips: avsync calibrate does that"]
            )
        p_value = min(1.0, odd.p_value * len(speaking))
        return replace(verdict, verdict="suspicious" if p_value <= self._level else "consistent", p_value=p_value)


def _facts(info: MediaInfo) -> dict[str, Any]:
    return {
        "duration": round(info.duration, 3),
        "width": info.width,
        "height": info.height,
        "fps": round(info.fps, 3),
        "audio_rate": info.audio_rate,
        "resampled": abs(info.fps - FPS) > 0.01 or info.audio_rate != RATE,
    }


def _warnings(info: MediaInfo, track: TrackVerdict) -> list[str]:
    warnings = []
    if 0 < info.fps < _MIN_FPS:
        warnings.append(f"only {info.fps:.0f} pictures per second: lips are judged less surely")
    if abs(track.lag_ms) >= _LONG_LAG:
        direction = "after" if track.lag_ms > 0 else "before"
        warnings.append(f"the sound comes {abs(track.lag_ms):.0f} ms {direction} the lips: more than most real files")
    return warnings
