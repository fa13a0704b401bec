"""Measure what real clips look like to a model, and keep quantiles of it in the checkpoint."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from avsync.align import TemporalAligner, load_checkpoint, save_checkpoint
from avsync.clip import talking_clips
from avsync.datasets import ClipRecord, fakeavceleb, voxceleb2
from avsync.datasets.record import REAL_TYPE
from avsync.errors import CannotJudge, UsageError
from avsync.face import FaceDetector
from avsync.media import FPS
from avsync.score.evidence import Evidence, gather
from avsync.score.readings import READINGS
from avsync.score.reference import Reference
from avsync.score.windows import MIN_SPEECH
from avsync.speech import speech_activity

# Lengths of window that are measured (s); between them, quantiles are interpolated.
LENGTHS = (1.5, 2.0, 2.5, 3.0)
# Fewer people than this cannot say what one real clip in twenty looks like; a length that few people speak for is left
# out, and windows of that length are judged beside the nearest that is there.
_FEWEST = 20
# Of a data set laid out like FakeAVCeleb, people whose id begins so calibrate; the others are kept for reporting.
_CALIBRATES = "01234567"

_log = logging.getLogger(__name__)


def calibrate(
    roots: Sequence[Path], weights: Path, output: Path, hook: Callable[[int, int], None] | None = None
) -> Reference:
    """Fit the reference on real clips of people the model has not seen, and write it with the weights to `output`.

    Args:
        roots: trees of VoxCeleb2 or FakeAVCeleb; of the latter only real clips of the people whose id's first hex digit
            is 0 to 7, so that the others can tell how well the calibration holds.
        weights: the trained checkpoint.
        output: the calibrated one, `.safetensors`.
        hook: called with the number of clips done and of all.

    Raises:
        UsageError: no such tree or checkpoint, or fewer than 20 people in all.
    """
    checkpoint = load_checkpoint(weights)
    seen = set(checkpoint.notes.get("provenance", {}).get("data", {}).get("trained_on", []))
    records = [record for root in roots for record in real_records(root) if record.speaker not in seen]
    readings: dict[float, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    people: dict[float, list[str]] = defaultdict(list)
    for done, record in enumerate(records, 1):
        for length, evidence in _measured(record, checkpoint.model):
            people[length].append(record.identity)
            for name, value in evidence.readings.items():
                readings[length][name].append(value)
        if hook:
            hook(done, len(records))
    lengths = [length for length in LENGTHS if len(set(people[length])) >= _FEWEST]
    if not lengths:
        raise UsageError(f"real clips of {len(set(people[LENGTHS[0]]))} people; at least {_FEWEST} are needed")
    tables = {length: {name: np.array(readings[length][name]) for name in READINGS} for length in lengths}
    reference = Reference.fit(tables, {length: people[length] for length in lengths})
    save_checkpoint(checkpoint.model, output, {**checkpoint.notes, "calibration": reference.to_dict()})
    return reference


def real_records(root: Path) -> list[ClipRecord]:
    """The real clips of a VoxCeleb2 or FakeAVCeleb tree that may calibrate.

    Raises:
        UsageError: the folder is neither.
    """
    if (root / "dev").is_dir() or (root / "mp4").is_dir():
        return voxceleb2.records(root)
    records = fakeavceleb.records(root)
    return [r for r in records if r.type == REAL_TYPE and r.identity.removeprefix("id")[:1] in _CALIBRATES]


def _measured(record: ClipRecord, model: TemporalAligner) -> Iterator[tuple[float, Evidence]]:
    """Every window of every length, half overlapping, of the longest face of a clip."""
    try:
        activity = speech_activity(record.audio or record.path)
        if not len(activity.segments):
            return
        clip = max(talking_clips(record.path, activity, FaceDetector(), audio=record.audio), key=len, default=None)
    except CannotJudge as refusal:
        _log.warning("%s: left out, %s", record.name, refusal)
        return
    if clip is None:
        return
    for length in LENGTHS:
        frames = round(length * FPS)
        for start in range(0, len(clip) - frames + 1, frames // 2):
            window = clip[start : start + frames]
            if window.speech.sum() >= MIN_SPEECH:
                yield length, gather(model, window)
