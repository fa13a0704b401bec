"""What every section of the detection benchmark starts from: the clips, the model, the folder."""

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from avsync.checks.load import load_setup
from avsync.clip import FaceClip
from avsync.datasets import ClipRecord, open_dataset, role
from avsync.detector import Detector
from avsync.errors import CannotJudge, UsageError
from avsync.evaluate import Settings
from avsync.recording import open_recording

SEED = 0
LEVEL = 0.05


class Bench:
    """One calibrated model on one data set.

    Attributes:
        records: all clips.
        reporting: the real clips of people with the role `report`; they are compared with fakes.
        calibrating: the other real clips.
        detector, setup: the model, for whole files, and its checks, for windows.
        settings: what the detector was made with.
        folder: where results are kept; verdicts are kept in a folder below it that is named after `code`.
        code: a digest of the checkpoint and of avsync's code.
        max_windows: how many windows of a clip are used; None: all.

    Raises:
        UsageError: no such data set or checkpoint, or a model without calibration.
    """

    def __init__(self, root: Path, weights: Path, folder: Path, max_windows: int | None = None) -> None:
        self.records = open_dataset(root)
        real = [record for record in self.records if record.label == "real"]
        self.reporting = [record for record in real if role(record.identity) == "report"]
        self.calibrating = [record for record in real if role(record.identity) == "calibrate"]
        self.detector, self.setup = Detector(weights, level=LEVEL), load_setup(weights)
        if self.setup.calibration is None:
            raise UsageError(f"{weights}: not calibrated; run avsync calibrate ROOT --weights {weights}")
        self.calibration = self.setup.calibration
        self.settings = Settings(
            model=self.detector.model,
            weights_sha256=self.detector.weights_sha256,
            checks=self.detector.checks,
            trim="default",
            faces="dlib",
            level=LEVEL,
        )
        self.folder, self.max_windows = folder, max_windows
        self.code = _digest(weights)
        self._faces: dict[ClipRecord, FaceClip | None] = {}

    def longest_face(self, record: ClipRecord) -> FaceClip | None:
        """Return the face that is seen longest, kept for the next call; None if the clip cannot be judged."""
        if record not in self._faces:
            try:
                recording = open_recording(record.path, record.audio, detector=self.setup.faces)
                self._faces[record] = max(recording.face_clips(), key=len)
            except CannotJudge as refusal:
                print(f"{record.name}: left out, {refusal}", file=sys.stderr)
                self._faces[record] = None
        return self._faces[record]


def _digest(weights: Path) -> str:
    """A digest of the checkpoint and of all loaded modules of avsync: scores depend on both."""
    modules = {module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "avsync"}
    files: Sequence[Path] = [weights, weights.with_suffix(".json"), *map(Path, sorted(filter(None, modules)))]
    return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:12]
