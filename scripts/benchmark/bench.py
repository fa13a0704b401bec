"""What every section of the detection benchmark starts from: the clips, the model, the folder."""

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from avsync.align import TemporalAligner, load_checkpoint
from avsync.calibrate import real_records
from avsync.clip import FaceClip, talking_clips
from avsync.datasets import fakeavceleb
from avsync.datasets.record import REAL_TYPE
from avsync.detector import Detector
from avsync.errors import CannotJudge, UsageError
from avsync.face import FaceDetector
from avsync.score.reference import Reference
from avsync.speech import speech_activity

SEED = 0
LEVEL = 0.05


class Bench:
    """One model on one tree laid out like FakeAVCeleb.

    Attributes:
        held_out: real clips of people that may not calibrate; calibrating: the other real clips.
        fakes: all of them, since fakes never calibrate.
        folder: where results are kept, those of clips in a folder named after `code`, a digest of checkpoint and code.
        most: how many windows of a clip count; None: all.

    Raises:
        UsageError: no such tree or checkpoint, or no calibration in it.
    """

    def __init__(self, root: Path, weights: Path, folder: Path, most: int | None = None) -> None:
        checkpoint = load_checkpoint(weights)
        if not isinstance(checkpoint.model, TemporalAligner):
            raise UsageError(f"{weights}: not a model of avsync train configs/default.yaml")
        self.model, self.reference = checkpoint.model, Reference.from_dict(checkpoint.notes.get("calibration"))
        self.detector = Detector(weights, level=LEVEL)
        self.calibrating = real_records(root)
        names = {record.name for record in self.calibrating}
        others = [record for record in fakeavceleb.records(root) if record.name not in names]
        self.held_out = [record for record in others if record.type == REAL_TYPE]
        self.fakes = [record for record in others if record.type != REAL_TYPE]
        self.folder, self.most = folder, most
        self.code = _digest(weights)
        self._detect = FaceDetector()
        self._faces: dict[Path, FaceClip | None] = {}

    def longest_face(self, path: Path) -> FaceClip | None:
        """The face that a file shows longest while somebody speaks, kept for the next time; None if there is none."""
        if path not in self._faces:
            try:
                activity = speech_activity(path)
                clips = talking_clips(path, activity, self._detect) if len(activity.segments) else ()
                self._faces[path] = max(clips, key=len, default=None)
            except CannotJudge as refusal:
                print(f"{path}: left out, {refusal}", file=sys.stderr)
                self._faces[path] = None
        return self._faces[path]


def _digest(weights: Path) -> str:
    """Of the checkpoint, and of every module of avsync that is loaded: what a score depends on."""
    modules = {module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "avsync"}
    files: Sequence[Path] = [weights, weights.with_suffix(".json"), *map(Path, sorted(filter(None, modules)))]
    return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:12]
