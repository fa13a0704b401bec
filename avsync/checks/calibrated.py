"""Where a calibration of the checks is found, and whether it was made for these models under these conditions."""

from collections.abc import Sequence
from dataclasses import replace

from avsync.checkpoint import EMBEDDED, Checkpoint, load_checkpoint
from avsync.checks.interface import Check
from avsync.checks.registry import CHECKS
from avsync.checks.setup import Setup
from avsync.errors import UsageError
from avsync.score.calibration import Calibration, Conditions


def find_calibration(setup: Setup, given: Checkpoint | None) -> Calibration | None:
    """What the checkpoints have of a calibration, completed by those of checks that bring their own.

    That of the given checkpoint counts first, then that of the embedded lips, which may have all checks, then that of
    the other embedded models. What was calibrated with other weights than those in use is left out, and with it every
    joint that it is part of. If the given checkpoint has no calibration at all, nothing is calibrated.

    Raises:
        UsageError: it was made under other conditions, or lacks a check.
    """
    if given is not None and "calibration" not in given.notes:
        return None
    calibration: Calibration | None = None
    for source in _sources(setup, given):
        if made := _of_these_models(source, setup, given):
            if made.references.keys() - (calibration.references.keys() if calibration else set()):
                _compare(made.conditions, Conditions(setup.trim, setup.faces.key), setup.checks)
            calibration = made if calibration is None else calibration.completed(made)
    return calibration and _with_their_own(calibration, setup.checks)


def find_sound_calibration(setup: Setup, given: Checkpoint | None, calibration: Calibration) -> Calibration:
    """What sound without pictures is compared with: the calibration beside the voice's own weights, if it has one.

    Recordings of speech alone are mostly cleaner than the sound of videos. So `calibration`, in which the voice was
    measured on videos, counts only if nothing else is there.
    """
    for source in (setup.checkpoint, *setup.others.values()):
        if source.model.check == "voice" and (made := _of_these_models(source, setup, given)):
            own = made.restricted(["voice"])
            if own.references and own.conditions.trim == setup.trim:
                return own.completed(calibration)
    return calibration


def calibrates(checkpoint: Checkpoint, names: Sequence[str]) -> bool:
    """Whether a checkpoint has a calibration of one of these checks, sound or not."""
    try:
        return not set(names).isdisjoint(checkpoint.notes["calibration"]["checks"])
    except (KeyError, TypeError):
        return False


def _with_their_own(calibration: Calibration, checks: Sequence[Check]) -> Calibration:
    """The calibration, completed by those that checks bring with them."""
    own = {check.name: check.reference for check in checks if check.reference is not None}
    references = {**own, **calibration.references}
    if missing := [check.name for check in checks if check.name not in references]:
        asked = ",".join(check.name for check in checks if check.name in references)
        others = f", or choose --checks {asked}" if asked else ""
        raise UsageError(f"the check '{missing[0]}' is not calibrated; run avsync calibrate ROOT{others}")
    return replace(calibration, references=references)


def _sources(setup: Setup, given: Checkpoint | None) -> list[Checkpoint]:
    loaded = [setup.checkpoint, *setup.others.values()]
    embedded = [model for model in loaded if model is not given]
    lips = next((model for model in embedded if model.model.check == "lips"), None) or load_checkpoint(EMBEDDED)
    first = [lips] if given is None else [given, lips]
    return [*first, *(model for model in embedded if model is not lips)]


def _of_these_models(source: Checkpoint, setup: Setup, given: Checkpoint | None) -> Calibration | None:
    """What a checkpoint has of a calibration of the models in use; None if it has nothing to say.

    Checks of the given model are calibrated by the given checkpoint alone.

    Raises:
        UsageError: it is damaged or of another version.
    """
    theirs = None if given is None or source is given else given.model.check
    readings = {check.name: check.readings for check in setup.checks if CHECKS[check.name].model != theirs}
    if not readings or "calibration" not in source.notes:
        return None
    made = Calibration.from_dict(source.notes["calibration"], readings)
    calibrated = {**made.models, source.model.check: source.sha256}
    in_use = {model.model.check: model.sha256 for model in (setup.checkpoint, *setup.others.values())}
    same = {check for check, weights in in_use.items() if calibrated.get(check) == weights}
    return made.restricted([name for name in readings if CHECKS[name].model in same])


def _compare(made: Conditions, asked: Conditions, checks: Sequence[Check]) -> None:
    if made.trim != asked.trim:
        raise UsageError(
            f"calibrated with --trim {made.trim}, asked with --trim {asked.trim}: "
            f"run avsync calibrate ROOT --trim {asked.trim}, or use --trim {made.trim}"
        )
    # The voice alone is judged without a face.
    if made.faces != asked.faces and any("face" in check.needs for check in checks):
        raise UsageError(
            f"calibrated with the face detector {made.faces}, asked with {asked.faces}: "
            "run avsync calibrate ROOT with the same --faces"
        )
