"""Measure real recordings with a model's checks, and keep quantiles of the measurements in its checkpoint."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avsync.checkpoint import save_checkpoint
from avsync.checks.face_clips import face_clips
from avsync.checks.interface import Check, by_clips
from avsync.checks.setup import Setup
from avsync.datasets import ClipRecord
from avsync.errors import CannotJudge, UsageError
from avsync.media import FPS
from avsync.recording import open_recording
from avsync.score.calibration import Calibration, Conditions, with_stored
from avsync.score.frames import moment_scores, propose
from avsync.score.quantiles import LARGEST
from avsync.score.scan import Scan
from avsync.score.windows import WindowScore, can_score, sliding_windows

# Fewer people than this cannot say what one real recording in twenty looks like. A length of window that fewer people
# have is left out; windows of that length are compared with the nearest one that is there.
FEWEST_PEOPLE = 20
# A person without windows of some length counts with the longest shorter ones, if they have at least this share of it:
# readings of one person's windows of 2 s and of 3 s, or of 3 s and of 5 s, differ by less than a tenth of their
# deviation over people (21 and 8 people), and every length then has nearly the same people.
_STANDS_IN = 0.6
# Each window is measured with the speech of windows of so many other people, the last ones.
_OTHERS = 2

Measured = dict[str, dict[str, float]]  # by check and reading


class Measurement(NamedTuple):
    """What the checks measured in one window.

    Attributes:
        seconds: its length.
        person: whose it is.
        real: the readings.
        fakes: those of counterexamples made of it, of the checks that have some.
    """

    seconds: float
    person: str
    real: Measured
    fakes: list[Measured]


class Whole(NamedTuple):
    """The windows of one clip of a person, by check, of the checks that see more than windows."""

    person: str
    windows: Mapping[str, Sequence[WindowScore]]


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
    calibration = Calibration(conditions, {}, {}, {check: model.sha256 for check, model in setup.others.items()})
    groups = _groups(setup.checks)
    for checks, (measured, wholes) in zip(groups, _measure(records, groups, setup, on_progress), strict=True):
        fitted = _fit(measured, checks, conditions, fewest_people or FEWEST_PEOPLE)
        calibration = calibration.joined(_with_scans(fitted, wholes, checks))
    notes = setup.checkpoint.notes
    kept = with_stored(calibration, notes.get("calibration"))
    save_checkpoint(setup.checkpoint.model, output, {**notes, "calibration": kept})
    return calibration


def _groups(checks: Sequence[Check]) -> list[list[Check]]:
    """The checks that measure the same windows, and so are fused by measurement: those that look at the same clips.

    Windows of a face hold its sound too: checks of the sound alone measure them with the checks of faces.
    """
    groups = by_clips(checks)
    if face_clips in groups:
        for clips, group in list(groups.items()):
            if all("face" not in check.needs for check in group):
                groups[face_clips] += groups.pop(clips)
    return list(groups.values())


def _measure(
    records: Sequence[ClipRecord], groups: Sequence[Sequence[Check]], setup: Setup, on_progress: Progress | None
) -> list[tuple[list[Measurement], list[Whole]]]:
    """What each group of checks measured: windows of each length, and clips as a whole."""
    measured: list[tuple[list[Measurement], list[Whole]]] = [([], []) for _ in groups]
    others = [_Others() for _ in groups]
    for done, record in enumerate(records, 1):
        for checks, (windows, wholes), of_others in zip(groups, measured, others, strict=True):
            found, whole = _read(record, checks, setup, of_others)
            if all(map(_is_sound, found)):
                windows += found
                wholes += whole
            else:
                _log.warning("%s: left out, its readings are not numbers; check the weights", record.name)
        if on_progress:
            on_progress(done, len(records))
    return measured


def _is_sound(found: Measurement) -> bool:
    every = (found.real, *found.fakes)
    return all(abs(v) <= LARGEST for measured in every for readings in measured.values() for v in readings.values())


def _trained_on(setup: Setup) -> set[str]:
    """The speakers that the models have seen; none for a model that avsync did not train."""
    found = set[str]()
    for checkpoint in (setup.checkpoint, *setup.others.values()):
        try:
            speakers = checkpoint.notes.get("provenance", {}).get("data", {}).get("trained_on", [])
            if not isinstance(speakers, list) or not all(isinstance(speaker, str) for speaker in speakers):
                raise TypeError("speakers")
        except (AttributeError, TypeError) as error:
            raise UsageError(
                f"{setup.name}: its provenance is damaged; fetch the checkpoint again, or train the model again"
            ) from error
        found |= set(speakers)
    return found


def _fit(
    measured: Sequence[Measurement], checks: Sequence[Check], conditions: Conditions, fewest_people: int
) -> Calibration:
    windows = {length: _of_length(measured, length) for length in sorted({window.seconds for window in measured})}
    people = {length: [window.person for window in found] for length, found in windows.items()}
    enough = [length for length, names in people.items() if len(set(names)) >= fewest_people]
    if not enough:
        most = max((len(set(names)) for names in people.values()), default=0)
        raise UsageError(f"real recordings of {most} people; at least {fewest_people} are needed")
    values = {
        length: {check.name: _table(check, [window.real for window in windows[length]]) for check in checks}
        for length in enough
    }
    fakes = {
        check.name: {length: _table(check, [f for w in windows[length] for f in w.fakes]) for length in enough}
        for check in checks
        if check.counterexample is not None
    }
    readings = {check.name: check.readings for check in checks}
    return Calibration.fit(conditions, values, {length: people[length] for length in enough}, readings, fakes)


def _of_length(measured: Sequence[Measurement], length: float) -> list[Measurement]:
    """The windows of a length, and for people without any the longest that stand in for them."""
    longest: dict[str, float] = {}
    for window in measured:
        if _STANDS_IN * length <= window.seconds <= length:
            longest[window.person] = max(window.seconds, longest.get(window.person, 0.0))
    return [window for window in measured if window.seconds == longest.get(window.person)]


def _table(check: Check, measured: Sequence[Measured]) -> dict[str, NDArray[np.float64]]:
    return {r.name: np.array([readings[check.name][r.name] for readings in measured]) for r in check.readings}


class _Others:
    """The last windows of other people, by length; few, because each keeps a whole clip in memory."""

    def __init__(self) -> None:
        self._last: dict[float, dict[str, Any]] = defaultdict(dict)

    def beside(self, length: float, person: str) -> list[Any]:
        """Windows of that length of other people."""
        return [window for name, window in self._last[length].items() if name != person][-_OTHERS:]

    def add(self, length: float, person: str, window: Any) -> None:
        """Keep a window, as the last of its person."""
        last = self._last[length]
        last.pop(person, None)
        last[person] = window
        while len(last) > _OTHERS + 1:
            del last[next(iter(last))]


def _read(
    record: ClipRecord, checks: Sequence[Check], setup: Setup, others: _Others
) -> tuple[list[Measurement], list[Whole]]:
    """What the checks measure in the longest clip of a recording, if there is one."""
    clip = _longest_clip(record, checks[0], setup)
    if clip is None:
        return [], []
    return list(_windows(clip, record.identity, checks, others)), [Whole(record.identity, _combined(clip, checks))]


def _longest_clip(record: ClipRecord, check: Check, setup: Setup) -> Any | None:
    """The longest clip of a recording that a check looks at; None if there is none."""
    try:
        recording = open_recording(record.path, record.audio, trim=setup.trim, detector=setup.faces)
        if setup.store is not None:
            setup.store.recall(recording)
        return max(check.clips(recording), key=len, default=None)
    except CannotJudge as refusal:
        _log.warning("%s: left out, %s", record.name, refusal)
        return None


def _combined(clip: Any, checks: Sequence[Check]) -> Mapping[str, Sequence[WindowScore]]:
    """The windows that a check would score of a clip, with their moments and without arrays."""
    found = {}
    for check in checks:
        try:
            combined = check.combine([check.measure(window) for window in check.windows(clip)])
        except CannotJudge:  # a poor view or music: such clips are not scored either
            continue
        if combined is not None and any(window.moments is not None for window in combined.windows):
            found[check.name] = [replace(window, artefacts={}) for window in combined.windows]
    return found


def _with_scans(calibration: Calibration, wholes: Sequence[Whole], checks: Sequence[Check]) -> Calibration:
    """The calibration with the law of the best proposals, of each check that scores moments."""
    references = dict(calibration.references)
    for check in checks:
        reference = references[check.name]
        best, seconds, people = list[float](), list[float](), list[str]()
        for whole in wholes:
            frames = moment_scores(whole.windows.get(check.name, ()), partial(reference.tail, check.ranked_by))
            if frames is not None and (spoken := np.isfinite(frames.scores).sum()):
                best.append(max((proposal.score for proposal in propose(frames, None)), default=0.0))
                seconds.append(float(spoken) / FPS)
                people.append(whole.person)
        if best:
            scan = Scan.fit(np.array(best), np.array(seconds), people)
            references[check.name] = replace(reference, scan=scan)
    return replace(calibration, references=references)


def _windows(clip: Any, person: str, checks: Sequence[Check], others: _Others) -> Iterator[Measurement]:
    """Every window of every length, half overlapping, of a clip of a person."""
    for length in checks[0].lengths:
        for window in filter(can_score, sliding_windows(clip, round(length * FPS))):
            # Also windows that a check would refuse: with them the reference is, if anything, too tolerant.
            real = {check.name: check.measure(window).readings for check in checks}
            fakes = [_fake(checks, window, other) for other in others.beside(length, person)]
            others.add(length, person, window)
            yield Measurement(length, person, real, fakes)


def _fake(checks: Sequence[Check], window: Any, other: Any) -> Measured:
    """The readings of the checks' counterexamples."""
    return {
        check.name: check.measure(check.counterexample(window, other)).readings
        for check in checks
        if check.counterexample is not None
    }
