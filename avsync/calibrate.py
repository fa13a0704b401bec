"""Measure real recordings with a model's checks, and keep quantiles of the measurements in its checkpoint."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from avsync.align.checkpoint import save_checkpoint
from avsync.checks.interface import Check, by_clips
from avsync.checks.load import Setup
from avsync.datasets import ClipRecord
from avsync.errors import CannotJudge, UsageError
from avsync.media import FPS
from avsync.recording import open_recording
from avsync.score.calibration import Calibration, Conditions, with_stored
from avsync.score.quantiles import LARGEST
from avsync.score.windows import can_score, sliding_windows

# Fewer people than this cannot say what one real recording in twenty looks like. A length of window that fewer people
# have is left out; windows of that length are compared with the nearest one that is there.
FEWEST_PEOPLE = 20

Measured = dict[str, dict[str, float]]  # by check and reading
Windows = dict[float, list[tuple[str, Measured]]]  # by length (s): whose window it is, and what was measured
Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)


def calibrate(
    records: Sequence[ClipRecord],
    setup: Setup,
    output: Path,
    *,
    on_progress: Progress | None = None,
    fewest_people: int | None = None,
) -> Calibration:
    """Fit the references on real recordings of people the model has not seen, and write them with the weights.

    Checks of the checkpoint that are not calibrated now keep their calibration.

    Args:
        records: real clips that may calibrate (`avsync.datasets.splits.calibration_records`); speakers that the model
            was trained on are left out.
        setup: the trained model and its checks.
        output: the calibrated checkpoint, `.safetensors`.
        on_progress: called with the number of clips done and of all.
        fewest_people: how many people are needed at a length of window; None: `FEWEST_PEOPLE`.

    Raises:
        UsageError: too few people, a reading that grows with the clip, or a checkpoint whose provenance is damaged.
    """
    for reading in (reading for check in setup.checks for reading in check.readings if reading.grows):
        raise UsageError(
            f"{reading.name} grows with the length of a clip, so it cannot be calibrated; choose another --reading"
        )
    trained_on = _trained_on(setup)
    records = [record for record in records if record.speaker not in trained_on]
    conditions = Conditions(setup.trim, setup.faces.key)
    calibration = Calibration(conditions, {}, {})
    groups = list(by_clips(setup.checks).values())  # checks that look at the same clips are fused by measurement
    for checks, measured in zip(groups, _measure(records, groups, setup, on_progress), strict=True):
        calibration = calibration.joined(_fit(measured, checks, conditions, fewest_people or FEWEST_PEOPLE))
    notes = setup.checkpoint.notes
    kept = with_stored(calibration, notes.get("calibration"))
    save_checkpoint(setup.checkpoint.model, output, {**notes, "calibration": kept})
    return calibration


def _measure(
    records: Sequence[ClipRecord], groups: Sequence[Sequence[Check]], setup: Setup, on_progress: Progress | None
) -> list[Windows]:
    """The windows of each group of checks."""
    measured: list[Windows] = [defaultdict(list) for _ in groups]
    for done, record in enumerate(records, 1):
        for checks, windows in zip(groups, measured, strict=True):
            found = list(_windows(record, checks, setup))
            if not all(map(_is_sound, found)):
                _log.warning("%s: left out, its readings are not numbers; check the weights", record.name)
                continue
            for length, window in found:
                windows[length].append((record.identity, window))
        if on_progress:
            on_progress(done, len(records))
    return measured


def _is_sound(found: tuple[float, Measured]) -> bool:
    return all(abs(value) <= LARGEST for readings in found[1].values() for value in readings.values())


def _trained_on(setup: Setup) -> set[str]:
    """The speakers that the model has seen; none for a model that avsync did not train."""
    try:
        speakers = setup.checkpoint.notes.get("provenance", {}).get("data", {}).get("trained_on", [])
        if isinstance(speakers, list) and all(isinstance(speaker, str) for speaker in speakers):
            return set(speakers)
    except AttributeError:
        pass
    raise UsageError(f"{setup.name}: its provenance is damaged; fetch the checkpoint again, or train the model again")


def _fit(measured: Windows, checks: Sequence[Check], conditions: Conditions, fewest_people: int) -> Calibration:
    people = {length: [person for person, _ in windows] for length, windows in measured.items()}
    lengths = sorted(length for length in measured if len(set(people[length])) >= fewest_people)
    if not lengths:
        most = max((len(set(names)) for names in people.values()), default=0)
        raise UsageError(f"real recordings of {most} people; at least {fewest_people} are needed")
    values = {
        length: {
            check.name: {
                r.name: np.array([window[check.name][r.name] for _, window in measured[length]]) for r in check.readings
            }
            for check in checks
        }
        for length in lengths
    }
    readings = {check.name: check.readings for check in checks}
    return Calibration.fit(conditions, values, {length: people[length] for length in lengths}, readings)


def _windows(record: ClipRecord, checks: Sequence[Check], setup: Setup) -> Iterator[tuple[float, Measured]]:
    """Every window of every length, half overlapping, of the longest clip of a recording."""
    first = checks[0]
    try:
        recording = open_recording(record.path, record.audio, trim=setup.trim, detector=setup.faces)
        if setup.store is not None:
            setup.store.recall(recording)
        clip = max(first.clips(recording), key=len, default=None)
    except CannotJudge as refusal:
        _log.warning("%s: left out, %s", record.name, refusal)
        return
    if clip is None:
        return
    for length in first.lengths:
        for window in filter(can_score, sliding_windows(clip, round(length * FPS))):
            yield length, {check.name: check.measure(window).readings for check in checks}
