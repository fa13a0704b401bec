"""From a checkpoint, or none, to the checks it serves and their calibration."""

from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import torch

from avsync.align.aligner import Head
from avsync.align.cosine import CosineAligner, CosineConfig
from avsync.checkpoint import EMBEDDED, Checkpoint, load_checkpoint
from avsync.checks.backbone import BackboneCheck
from avsync.checks.interface import Check
from avsync.checks.registry import CHECKS
from avsync.encoders.registry import choose_device, load_backbone
from avsync.errors import UsageError
from avsync.face.interface import FaceDetector, load_face_detector
from avsync.features import FeatureStore
from avsync.score.calibration import Calibration, Conditions
from avsync.score.readings import READINGS, Reading, readings_of
from avsync.speech import Trim


@dataclass(frozen=True)
class Setup:
    """What recordings are opened and scored with.

    Attributes:
        checks: in the order in which they are asked.
        calibration: None if the model was not calibrated for these checks.
        faces: finds faces and landmarks.
        trim: what silence is left out.
        store: features made before; None: they are made anew.
        checkpoint: the trained model.
        name, weights_sha256: of the model, for results.
    """

    checks: tuple[Check, ...]
    calibration: Calibration | None
    faces: FaceDetector
    trim: Trim
    store: FeatureStore | None
    checkpoint: Checkpoint
    name: str
    weights_sha256: str


def load_setup(
    weights: Path | None = None,
    *,
    checks: str | None = None,
    backbone: str | None = None,
    reading: str | None = None,
    features: Path | None = None,
    trim: Trim = "default",
    faces: str = "dlib",
    device: str | None = None,
    calibrating: bool = False,
) -> Setup:
    """Load a checkpoint and, where it needs one, its backbone.

    Args:
        weights: a checkpoint; None is the embedded one, or with a backbone none: cosines need no training.
        checks: names joined by commas (`avsync.checks.registry`); None: all of them.
        backbone: encoders of lips and speech (`avsync.encoders.registry`); None is the one that the checkpoint names.
        reading: how the lattice of a backbone is read; None is the calibrated one, or the head's own.
        features: folder of features made before.
        trim: what silence is left out.
        faces: name of a face detector (`avsync.face.interface`).
        device: where networks run; None: a GPU if there is one.
        calibrating: a calibration is about to be made: what the checkpoint has of one is ignored.

    Raises:
        UsageError: something is missing or does not belong together.
    """
    detector, where = load_face_detector(faces), choose_device(device)
    if weights is None and backbone is not None:
        checkpoint = Checkpoint(CosineAligner(CosineConfig()), "", {"name": "cosine"})
    else:
        checkpoint = load_checkpoint(weights or EMBEDDED)
    notes = checkpoint.notes
    if isinstance(checkpoint.model, Head):
        if weights is not None:
            notes.setdefault("name", weights.stem)
        if checks not in (None, "lips"):
            raise UsageError(f"--checks {checks}: a backbone has the check 'lips' only")
        setup = _with_backbone(checkpoint, backbone, reading, features, trim, detector, where)
    elif backbone is not None or reading is not None or features is not None:
        raise UsageError("the default model has readings and features of its own; name a backbone without its weights")
    else:
        loaded = tuple(_load_check(name, checkpoint, where) for name in _names(checks))
        name = str(notes.get("name", "temporal"))
        setup = Setup(loaded, None, detector, trim, None, checkpoint, name, checkpoint.sha256)
    return setup if calibrating else replace(setup, calibration=_calibration(setup))


def _with_backbone(
    checkpoint: Checkpoint,
    name: str | None,
    reading: str | None,
    features: Path | None,
    trim: Trim,
    faces: FaceDetector,
    device: torch.device,
) -> Setup:
    head, notes = checkpoint.model, checkpoint.notes
    assert isinstance(head, Head)
    chosen = _reading(reading or str(notes.get("reading", head.reading)))
    backbone = load_backbone(name or str(notes.get("backbone", "")), device)
    if notes.get("features", backbone.key) != backbone.key:
        raise UsageError(f"{backbone.name}: not the weights on whose features {notes['name']} was trained")
    if not head.accepts(backbone.lips.dim, backbone.speech.dim):
        raise UsageError(
            f"{backbone.name}: {backbone.lips.dim} features of lips and {backbone.speech.dim} of speech do not go with "
            f"{notes['name']}; train a head on them (configs/avhubert_mlp.yaml)"
        )
    store = _store(features, backbone.key, backbone.name, trim, faces)
    if notes.get("reading") != chosen.name:
        notes.pop("calibration", None)  # it is of another reading
    notes.update({"backbone": backbone.name, "features": backbone.key, "reading": chosen.name})
    return Setup(
        checks=(BackboneCheck(backbone, head.to(device), chosen, store),),
        calibration=None,
        faces=faces,
        trim=trim,
        store=store,
        checkpoint=checkpoint,
        name=f"{notes['name']} of {backbone.name} by {chosen.name}",
        weights_sha256=sha256(f"{checkpoint.sha256} {backbone.key}".encode()).hexdigest(),
    )


def _store(root: Path | None, key: str, name: str, trim: Trim, faces: FaceDetector) -> FeatureStore | None:
    if root is None:
        return None
    store = FeatureStore(root, key, trim, faces.key)
    if not len(store):
        raise UsageError(
            f"{root}: holds no features of {name} with trim {trim}; make them with avsync extract, or leave "
            "--features out"
        )
    return store


def _reading(name: str) -> Reading:
    known = [reading.name for reading in readings_of("lattice") if reading.odd]
    if name not in known:
        raise UsageError(f"reading {name}: must be one of {', '.join(known)}")
    return READINGS[name]


def _names(checks: str | None) -> list[str]:
    names = list(CHECKS) if checks is None else list(dict.fromkeys(name.strip() for name in checks.split(",")))
    if unknown := [name for name in names if name not in CHECKS]:
        raise UsageError(f"--checks {unknown[0]}: must be one or more of {', '.join(CHECKS)}, joined by commas")
    return names


def _load_check(name: str, checkpoint: Checkpoint, device: torch.device) -> Check:
    module, _, function = CHECKS[name].loader.partition(":")
    check: Check = getattr(import_module(module), function)(checkpoint, device)
    return check


def _calibration(setup: Setup) -> Calibration | None:
    """The calibration of the checkpoint, completed by those of checks that bring their own.

    Raises:
        UsageError: it was made under other conditions, or lacks a check.
    """
    if "calibration" not in setup.checkpoint.notes:
        return None
    calibration = Calibration.from_dict(
        setup.checkpoint.notes["calibration"], {check.name: check.readings for check in setup.checks}
    )
    _compare(calibration.conditions, Conditions(setup.trim, setup.faces.key))
    own = {check.name: check.reference for check in setup.checks if check.reference is not None}
    references = {**own, **calibration.references}
    if missing := [check.name for check in setup.checks if check.name not in references]:
        asked = ",".join(check.name for check in setup.checks if check.name in references)
        others = f", or choose --checks {asked}" if asked else ""
        raise UsageError(f"the check '{missing[0]}' is not calibrated; run avsync calibrate ROOT{others}")
    return replace(calibration, references=references)


def _compare(made: Conditions, asked: Conditions) -> None:
    if made.trim != asked.trim:
        raise UsageError(
            f"calibrated with --trim {made.trim}, asked with --trim {asked.trim}: "
            f"run avsync calibrate ROOT --trim {asked.trim}, or use --trim {made.trim}"
        )
    if made.faces != asked.faces:
        raise UsageError(
            f"calibrated with the face detector {made.faces}, asked with {asked.faces}: "
            "run avsync calibrate ROOT with the same --faces"
        )
