"""The default method: windows of at most 3 s through the temporal aligner, and what their pictures say."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from avsync.align import TemporalAligner
from avsync.clip import FaceClip, talking_clips
from avsync.face import FaceDetector
from avsync.methods.faces import Faces
from avsync.score.evidence import Evidence, gather
from avsync.score.judge import judge_track, measure_track
from avsync.score.readings import ASPECTS
from avsync.score.reference import Aspects, Reference
from avsync.score.verdict import TrackVerdict
from avsync.score.windows import windows
from avsync.speech import SpeechActivity

# Lengths of window that calibration measures (s); between them, quantiles are interpolated.
LENGTHS = (1.5, 2.0, 2.5, 3.0)


class DefaultMethod:
    """Judges the windows of each face by their readings, of lips and speech and of the pictures."""

    lengths: tuple[float, ...] = LENGTHS
    aspects: Aspects = ASPECTS

    def __init__(self, model: TemporalAligner, reference: Reference | None) -> None:
        self._model, self._reference = model, reference

    def tracks(
        self, path: Path, activity: SpeechActivity, warnings: list[str], level: float, faces: Faces
    ) -> list[TrackVerdict]:
        """Every face that can be judged; `faces` is told of all."""
        evidence: dict[int, list[Evidence]] = defaultdict(list)
        for clip in talking_clips(path, activity, FaceDetector(), warnings=warnings):
            if faces.add(len(clip), clip.box):
                evidence[clip.track] += [self.gather(window) for window in windows(clip)]
        return [self._judged(track, of_track, level) for track, of_track in sorted(evidence.items()) if of_track]

    def stretches(self, path: Path, activity: SpeechActivity, audio: Path | None) -> Iterator[FaceClip]:
        """Every stretch of a face."""
        return talking_clips(path, activity, FaceDetector(), audio=audio)

    def gather(self, window: FaceClip) -> Evidence:
        """The readings of a window."""
        return gather(self._model, window)

    def _judged(self, track: int, evidence: list[Evidence], level: float) -> TrackVerdict:
        if self._reference is None:
            return measure_track(track, evidence, ranked_by="agreement")
        return judge_track(track, evidence, self._reference, level)
