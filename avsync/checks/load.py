"""From a checkpoint, or none, to the checks and their models."""

from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import torch

from avsync.align.aligner import Head
from avsync.align.cosine import CosineAligner, CosineConfig
from avsync.checkpoint import EMBEDDED, EMBEDDED_VOICE, Checkpoint, load_checkpoint
from avsync.checks.backbone import BackboneCheck
from avsync.checks.calibrated import calibrates, find_calibration, find_sound_calibration
from avsync.checks.interface import Check
from avsync.checks.registry import CHECKS, asked_by_default
from avsync.checks.setup import Setup
from avsync.encoders.registry import choose_device, load_backbone
from avsync.errors import UsageError
from avsync.face.interface import FaceDetector, load_face_detector
from avsync.features import FeatureStore
from avsync.score.readings import READINGS, Reading, readings_of
from avsync.speech import Trim
from avsync.voice.interface import VoiceModel

# The embedded checkpoints, by the check that their model is of.
_EMBEDDED = {"lips": EMBEDDED, "voice": EMBEDDED_VOICE}


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
    baselines: bool = False,
) -> Setup:
    """Load the models of checks, and where one needs it, its backbone.

    Args:
        weights: a checkpoint of the lips, the voice or the appearance; other checks keep their embedded ones. None is
            the embedded ones, or with a backbone none: cosines need no training.
        checks: names joined by commas (`avsync.checks.registry`); None: all that are asked by default.
        backbone: encoders of lips and speech (`avsync.encoders.registry`); None is the one that the checkpoint names.
        reading: how the lattice of a backbone is read; None is the calibrated one, or the head's own.
        features: folder of features made before.
        trim: what silence is left out.
        faces: name of a face detector (`avsync.face.interface`).
        device: where networks run; None: a GPU if there is one.
        calibrating: a calibration is about to be made: what the checkpoint has of one is ignored.
        baselines: also take models that learned from labelled fakes, to compare others with them.

    Raises:
        UsageError: something is missing or does not belong together.
    """
    detector, where = load_face_detector(faces), choose_device(device)
    given: Checkpoint | None = None
    if weights is not None:
        given = load_checkpoint(weights)
        _refuse_labelled(given, weights, baselines=baselines)
    elif backbone is not None:
        given = Checkpoint(CosineAligner(CosineConfig()), "", {"name": "cosine"})
    if given is not None and isinstance(given.model, Head):
        if weights is not None:
            given.notes.setdefault("name", weights.stem)
        if checks not in (None, "lips"):
            raise UsageError(f"--checks {checks}: a backbone has the check 'lips' only")
        setup = _with_backbone(given, backbone, reading, features, trim, detector, where)
    elif backbone is not None or reading is not None or features is not None:
        raise UsageError("the default model has readings and features of its own; name a backbone without its weights")
    else:
        names = _names(checks)
        if given is not None:
            _refuse_unasked(given, names, calibrating=calibrating)
        setup = _with_models(given, names, trim, detector, where)
    if calibrating:
        return setup
    found = find_calibration(setup, given)
    return replace(setup, calibration=found, sound_calibration=found and find_sound_calibration(setup, given, found))


def _refuse_labelled(checkpoint: Checkpoint, path: Path, *, baselines: bool) -> None:
    if isinstance(checkpoint.model, VoiceModel) and checkpoint.model.learned_from != "real speech" and not baselines:
        raise UsageError(
            f"{path}: learned from {checkpoint.model.learned_from}, so it is no check; compare it with avsync evaluate"
        )


def _refuse_unasked(given: Checkpoint, names: list[str], *, calibrating: bool) -> None:
    """Refuse a checkpoint of no check, and one whose model is not asked and which calibrates nothing that is."""
    check = given.model.check
    if check not in {info.model for info in CHECKS.values()}:
        raise UsageError(
            f"--weights: {given.model.format} is no model of a check; name one of the lips, the voice or the appearance"
        )
    asked = check in [CHECKS[name].model for name in names]
    if not (asked or calibrating or calibrates(given, names)):
        raise UsageError(f"--weights: a model of the check '{check}', which --checks {','.join(names)} does not ask")


def _with_models(
    given: Checkpoint | None, names: list[str], trim: Trim, faces: FaceDetector, device: torch.device
) -> Setup:
    """The checks that each have a model of their own or none."""
    asked = list(dict.fromkeys(CHECKS[name].model for name in names))
    own = {} if given is None else {given.model.check: given}
    if missing := [check for check in asked if check not in own and check not in _EMBEDDED]:
        raise UsageError(f"--checks {missing[0]}: avsync has no model of it; train one and name it with --weights FILE")
    models = {check: own.get(check) or load_checkpoint(_EMBEDDED[check]) for check in asked}
    loaded = tuple(_load_check(name, models[CHECKS[name].model], device) for name in names)
    main = given or models[asked[0]]
    others = {check: model for check, model in models.items() if model is not main}
    name = " + ".join(str(model.notes.get("name", _unnamed(model))) for model in models.values())
    hashes = [model.sha256 for model in models.values()]
    together = hashes[0] if len(hashes) == 1 else sha256(" ".join(hashes).encode()).hexdigest()
    return Setup(loaded, None, None, faces, trim, None, main, others, name, together)


def _unnamed(checkpoint: Checkpoint) -> str:
    """The name of a model whose checkpoint has none: avsync.temporal/1 is temporal."""
    return checkpoint.model.format.removeprefix("avsync.").partition("/")[0]


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
        sound_calibration=None,
        faces=faces,
        trim=trim,
        store=store,
        checkpoint=checkpoint,
        others={},
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
    asked = None if checks is None else list(dict.fromkeys(name.strip() for name in checks.split(",")))
    names = asked_by_default() if asked is None else asked
    if unknown := [name for name in names if name not in CHECKS]:
        raise UsageError(f"--checks {unknown[0]}: must be one or more of {', '.join(CHECKS)}, joined by commas")
    return names


def _load_check(name: str, checkpoint: Checkpoint, device: torch.device) -> Check:
    module, _, function = CHECKS[name].loader.partition(":")
    check: Check = getattr(import_module(module), function)(checkpoint, device)
    return check
