"""Detector: a file in, a Verdict out."""

from collections import defaultdict
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any, get_args

import numpy as np

from avsync.align import load_checkpoint
from avsync.clip import talking_clips
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.face import FaceDetector, face_boxes
from avsync.media import FPS, RATE, MediaInfo, probe
from avsync.score.evidence import Evidence, gather
from avsync.score.judge import judge_track, speakers
from avsync.score.reference import Reference
from avsync.score.verdict import TrackVerdict, Verdict
from avsync.score.windows import SHORTEST, windows
from avsync.speech import SpeechActivity, Trim, speech_activity

EMBEDDED = Path(__file__).parent / "assets" / "default.safetensors"
# A face box narrower than this shows a mouth of about 14 pixels: too few to read lips from.
_MIN_FACE = 40
_MIN_FPS = 20  # below, pictures are shown twice on the 25 Hz clock
_LONG_LAG = 280.0  # ms; 7 frames, the largest constant lag met in real web video


class Detector:
    """Judges files by how their lips and speech go together, beside real clips.

    Args:
        weights: a checkpoint made by `avsync train` and `avsync calibrate`; None is the embedded one.
        trim: what silence is left out (`avsync.speech.speech_activity`).
        level: the share of real clips that may be called suspicious.

    Raises:
        UsageError: the checkpoint cannot be used, there is no such `trim`, or `level` is not between 0 and 1.
    """

    def __init__(self, weights: Path | None = None, *, trim: Trim = "default", level: float = 0.05) -> None:
        if not 0 < level < 1:
            raise UsageError(f"level {level}: must be between 0 and 1, such as 0.05")
        if trim not in get_args(Trim):
            raise UsageError(f"trim {trim}: must be one of {', '.join(get_args(Trim))}")
        checkpoint = load_checkpoint(Path(weights or EMBEDDED))
        self._model, self._faces = checkpoint.model, FaceDetector()
        self._reference = Reference.from_dict(checkpoint.notes.get("calibration"))
        self._trim, self._level = trim, level
        self.model = str(checkpoint.notes.get("name", "temporal"))
        self.weights_sha256 = checkpoint.sha256

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
        problems: list[str] = []
        try:
            info = probe(path)
            with path.open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
            verdict = replace(verdict, sha256=digest, **_facts(info))
            return self._judge(info, verdict, problems)
        except CannotJudge as refusal:
            return replace(verdict, reason=refusal.reason, detail=refusal.detail, warnings=problems)

    def _judge(self, info: MediaInfo, verdict: Verdict, problems: list[str]) -> Verdict:
        if not info.has_video:
            raise CannotJudge(Reason.NO_VIDEO, "the file has no moving picture")
        if not info.has_audio:
            raise CannotJudge(Reason.NO_AUDIO, "the file has no sound")
        activity = speech_activity(info.path, self._trim, problems)
        if not len(activity.segments):
            raise CannotJudge(Reason.NO_SPEECH, "no speech is heard")
        verdict = replace(
            verdict,
            trimmed_head=round(activity.start, 3),
            trimmed_tail=round(max(0.0, activity.duration - activity.stop), 3),
        )
        tracks = self._tracks(info, activity, problems)
        speaking = speakers(tracks)
        odd = min(speaking, key=lambda track: (track.p_value, -track.oddness))
        p_value = min(1.0, odd.p_value * len(speaking))
        return replace(
            verdict,
            verdict="suspicious" if p_value <= self._level else "consistent",
            p_value=p_value,
            oddness=odd.oddness,
            rests_on=odd.track,
            tracks=tracks,
            warnings=[*problems, *_warnings(info, odd)],
        )

    def _tracks(self, info: MediaInfo, activity: SpeechActivity, problems: list[str]) -> list[TrackVerdict]:
        """Every track that can be judged.

        Raises:
            CannotJudge: none can.
        """
        evidence: dict[int, list[Evidence]] = defaultdict(list)
        faces, seen, largest = 0, 0, 0.0
        for clip in talking_clips(info.path, activity, self._faces, problems=problems):
            left, _, right, _ = np.median(face_boxes(clip.squares), axis=0)
            width = float(right - left)
            faces, seen, largest = faces + 1, max(seen, len(clip)), max(largest, width)
            if width >= _MIN_FACE:
                evidence[clip.track] += [gather(self._model, window) for window in windows(clip)]
        judged = {track: of_track for track, of_track in evidence.items() if of_track}
        if judged:
            return [judge_track(track, e, self._reference, self._level) for track, e in sorted(judged.items())]
        if not faces:
            raise CannotJudge(Reason.NO_FACE, "no face is seen while somebody speaks")
        if largest < _MIN_FACE:
            raise CannotJudge(Reason.LOW_RESOLUTION, f"the face is {largest:.0f} pixels wide; {_MIN_FACE} are needed")
        if seen < SHORTEST:
            raise CannotJudge(
                Reason.TOO_SHORT, f"a face is seen for {seen / FPS:.1f} s of speech; {SHORTEST / FPS:.1f} s are needed"
            )
        raise CannotJudge(Reason.NO_SPEECH, "less than half a second of speech is heard while a face is seen")


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
