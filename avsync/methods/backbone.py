"""Any backbone, a head that fills the lattice from its features, and one published reading of it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from avsync.align import Head
from avsync.datasets.record import content_key
from avsync.features import Features, FeatureStore, encode_file
from avsync.encoders.registry import Backbone
from avsync.methods.faces import Faces
from avsync.score.evidence import Evidence
from avsync.score.judge import judge_track, measure_track, odd_passages
from avsync.score.reference import Aspects, Reference
from avsync.score.rows import LatticeRows, joined, read_rows
from avsync.score.verdict import TrackVerdict
from avsync.score.windows import MIN_SPEECH, SHORTEST, windows
from avsync.speech import SpeechActivity

# Lengths that calibration measures (s): readings of whole tracks are compared with real ones of like length.
LENGTHS = (1.5, 2.0, 2.5, 3.0, 5.0, 8.0, 12.0, 20.0)


class BackboneMethod:
    """Judges each face by one reading of the lattice of its whole track."""

    lengths: tuple[float, ...] = LENGTHS

    def __init__(
        self, backbone: Backbone, head: Head, reading: str, reference: Reference | None, store: FeatureStore | None
    ) -> None:
        self._backbone, self._head, self._reading = backbone, head, reading
        self._reference, self._store = reference, store
        self.aspects: Aspects = {"speech": (reading,)}

    def tracks(
        self, path: Path, activity: SpeechActivity, warnings: list[str], level: float, faces: Faces
    ) -> list[TrackVerdict]:
        """Every face that can be judged; `faces` is told of all."""
        tracks: dict[int, list[LatticeRows]] = defaultdict(list)
        for track, rows in self._rows(path, activity, None, warnings):
            if faces.add(len(rows), rows.box):
                tracks[track].append(rows)
        whole = {track: joined(rows) for track, rows in sorted(tracks.items())}
        return [
            self._judged(track, rows, level)
            for track, rows in whole.items()
            if len(rows) >= SHORTEST and rows.speech.sum() >= MIN_SPEECH
        ]

    def stretches(self, path: Path, activity: SpeechActivity, audio: Path | None) -> Iterator[LatticeRows]:
        """Every stretch of a face, as rows of its lattice."""
        return (rows for _, rows in self._rows(path, activity, audio, []))

    def gather(self, rows: LatticeRows) -> Evidence:
        """The reading of some rows."""
        return read_rows(rows, self._reading)

    def _rows(
        self, path: Path, activity: SpeechActivity, audio: Path | None, warnings: list[str]
    ) -> Iterator[tuple[int, LatticeRows]]:
        for part in self._features(path, activity, audio, warnings):
            lattice = self._head.lattice(_floats(part.lips), part.speech.float(), part.weight)[part.core]
            yield part.track, LatticeRows(part.start, part.box, lattice, part.weight[part.core].numpy())

    def _features(
        self, path: Path, activity: SpeechActivity, audio: Path | None, warnings: list[str]
    ) -> Iterator[Features]:
        if self._store is not None:
            key = content_key(path, audio)
            if key in self._store:
                return self._store.read(key)
        return encode_file(path, self._backbone, activity, audio=audio, warnings=warnings)

    def _judged(self, track: int, rows: LatticeRows, level: float) -> TrackVerdict:
        whole = [self.gather(rows)]
        if self._reference is None:
            return measure_track(track, whole, ranked_by=self._reading)
        passages = odd_passages([self.gather(window) for window in windows(rows)], self._reference, level)
        return replace(judge_track(track, whole, self._reference, level), segments=passages)


def _floats(lips: torch.Tensor) -> torch.Tensor:
    return lips.float() if lips.is_floating_point() else lips
