"""What recordings are opened and scored with."""

import json
from dataclasses import dataclass
from hashlib import sha256

from avsync.checkpoint import Checkpoint
from avsync.checks.interface import Check
from avsync.face.interface import FaceDetector
from avsync.features import FeatureStore
from avsync.score.calibration import Calibration
from avsync.speech import Trim


@dataclass(frozen=True)
class Setup:
    """What recordings are opened and scored with.

    Attributes:
        checks: in the order in which they are asked.
        calibration: of recordings with pictures; None if the model was not calibrated for these checks.
        sound_calibration: of sound alone.
        faces: finds faces and landmarks.
        trim: what silence is left out.
        store: features made before; None: they are made anew.
        checkpoint: the trained model; a calibration is written beside its weights.
        others: the embedded models of checks that `checkpoint` is not for, by their checks.
        name, weights_sha256: of the models that the checks ask, for results.
    """

    checks: tuple[Check, ...]
    calibration: Calibration | None
    sound_calibration: Calibration | None
    faces: FaceDetector
    trim: Trim
    store: FeatureStore | None
    checkpoint: Checkpoint
    others: dict[str, Checkpoint]
    name: str
    weights_sha256: str

    @property
    def calibration_sha256(self) -> str:
        """The hash of what verdicts are compared with; empty without calibration."""
        made = [of.to_dict() for of in (self.calibration, self.sound_calibration) if of is not None]
        return sha256(json.dumps(made, sort_keys=True).encode()).hexdigest() if made else ""
