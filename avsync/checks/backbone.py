"""The lips check of any backbone: a head fills the lattice from its features, and one published reading is taken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.align.aligner import Head
from avsync.checks.face_clips import window_score
from avsync.checks.interface import Counterexample
from avsync.checks.lips import lattice_window, with_moments
from avsync.encoders.registry import Backbone
from avsync.features import Features, FeatureStore, encode_recording
from avsync.media import FPS
from avsync.recording import Need, Recording
from avsync.score.readings import Reading
from avsync.score.reference import Reference
from avsync.score.verdict import Artefacts
from avsync.score.windows import Combined, WindowScore, can_score, frame_times, windows

# Lengths that calibration measures (s): readings of whole tracks are compared with real ones of like length.
LENGTHS = (1.5, 2.0, 2.5, 3.0, 5.0, 8.0, 12.0, 20.0)


@dataclass(frozen=True, slots=True)
class LatticeClip:
    """T consecutive frames of one face, as rows of a lattice.

    Attributes:
        track: number of the face.
        start: presentation time of the first frame (s).
        box: median box of the face, float [4], in upright pixels.
        lattice: float32 [T, 31].
        speech_share: float32 [T].
    """

    track: int
    start: float
    box: NDArray[np.float64]
    lattice: Tensor
    speech_share: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.speech_share)

    def __getitem__(self, span: slice) -> "LatticeClip":
        """The rows of `span` (step 1)."""
        begin = span.indices(len(self))[0]
        return LatticeClip(self.track, self.start + begin / FPS, self.box, self.lattice[span], self.speech_share[span])


class BackboneCheck:
    """Scores each face by one reading of the lattice of its whole track; windows of at most 3 s show where."""

    name = "lips"
    needs: tuple[Need, ...] = ("face", "speech")
    lengths: tuple[float, ...] = LENGTHS
    reference: Reference | None = None
    counterexample: Counterexample | None = None

    def __init__(self, backbone: Backbone, head: Head, reading: Reading, store: FeatureStore | None) -> None:
        self._backbone, self._head, self._store = backbone, head, store
        self.readings: tuple[Reading, ...] = (reading,)
        self.ranked_by = reading.name

    def clips(self, recording: Recording) -> Iterator[LatticeClip]:
        """The lattice of each face, chunk by chunk; features come from the store if it has them."""
        for part in self._features(recording):
            lips = part.lip_features
            lips = lips.float() if lips.is_floating_point() else lips
            lattice = self._head.lattice(lips, part.speech_features.float(), part.speech_share)[part.core]
            yield LatticeClip(part.track, part.start, part.box, lattice, part.speech_share[part.core].numpy())

    def windows(self, clip: LatticeClip) -> Iterator[LatticeClip]:
        """All pieces of at most 3 s: the track is read as a whole, with those that have little speech."""
        return windows(clip)

    def measure(self, window: LatticeClip) -> WindowScore:
        """Take the reading where there is enough speech, and keep the rows."""
        arrays: Artefacts = {
            "times": frame_times(window.start, len(window)),
            "speech_share": window.speech_share,
            "lattice": window.lattice.numpy(),
        }
        score = window_score(window, {}, arrays)
        if not can_score(window):
            return score
        (reading,) = self.readings
        return replace(score, readings={reading.name: reading.read(lattice_window(score))})

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """The reading of the whole track."""
        lattice, share, times = (
            np.concatenate([window.artefacts[name] for window in windows])
            for name in ("lattice", "speech_share", "times")
        )
        whole = LatticeClip(
            track=windows[0].track or 0,
            start=windows[0].start,
            box=np.median([window.box for window in windows if window.box is not None], axis=0),
            lattice=torch.from_numpy(lattice),
            speech_share=share,
        )
        if not can_score(whole):
            return None
        score = self.measure(whole)
        score.artefacts["times"] = times
        lag = lattice_window(score).lag
        return Combined([with_moments(window, lag) for window in windows if window.readings], [score], lag)

    def _features(self, recording: Recording) -> Iterator[Features]:
        if self._store is not None and recording.content_key in self._store:
            return self._store.read(recording.content_key)
        return encode_recording(recording, self._backbone)
