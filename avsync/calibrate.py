"""Measure what real clips look like to a model, and keep quantiles of it in the checkpoint."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from avsync.align import save_checkpoint
from avsync.datasets import ClipRecord, fakeavceleb, voxceleb2
from avsync.datasets.record import REAL_TYPE
from avsync.errors import CannotJudge, UsageError
from avsync.media import FPS
from avsync.methods import Loaded, Method
from avsync.score.evidence import Evidence
from avsync.score.reference import Reference
from avsync.score.windows import MIN_SPEECH
from avsync.speech import speech_activity

# Fewer people than this cannot say what one real clip in twenty looks like; a length that few people speak for is left
# out, and windows of that length are judged beside the nearest that is there.
_FEWEST = 20
# Of a data set laid out like FakeAVCeleb, people whose id begins so calibrate; the others are kept for reporting.
_CALIBRATES = "01234567"

_log = logging.getLogger(__name__)


def calibrate(
    roots: Sequence[Path], loaded: Loaded, output: Path, hook: Callable[[int, int], None] | None = None
) -> Reference:
    """Fit the reference on real clips of people the model has not seen, and write it with the weights to `output`.

    Args:
        roots: trees of VoxCeleb2 or FakeAVCeleb; of the latter only real clips of the people whose id's first hex digit
            is 0 to 7, so that the others can tell how well the calibration holds.
        loaded: the trained model, and the method it serves.
        output: the calibrated checkpoint, `.safetensors`.
        hook: called with the number of clips done and of all.

    Raises:
        UsageError: no such tree, fewer than 20 people in all, or a reading that grows with the clip.
    """
    method, checkpoint = loaded.method, loaded.checkpoint
    if any("log_sum_exp" in names for names in method.aspects.values()):
        raise UsageError("log_sum_exp grows with the length of a clip, so it cannot be calibrated; take log_mean_exp")
    seen = set(checkpoint.notes.get("provenance", {}).get("data", {}).get("trained_on", []))
    records = [record for root in roots for record in real_records(root) if record.speaker not in seen]
    readings: dict[float, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    people: dict[float, list[str]] = defaultdict(list)
    for done, record in enumerate(records, 1):
        for length, evidence in _measured(record, method):
            people[length].append(record.identity)
            for name, value in evidence.readings.items():
                readings[length][name].append(value)
        if hook:
            hook(done, len(records))
    lengths = [length for length in method.lengths if len(set(people[length])) >= _FEWEST]
    if not lengths:
        raise UsageError(f"real clips of {len(set(people[method.lengths[0]]))} people; at least {_FEWEST} are needed")
    tables = {length: {name: np.array(v) for name, v in readings[length].items()} for length in lengths}
    reference = Reference.fit(tables, {length: people[length] for length in lengths}, method.aspects)
    save_checkpoint(checkpoint.model, output, {**checkpoint.notes, "calibration": reference.to_dict()})
    return reference


def real_records(root: Path) -> list[ClipRecord]:
    """The real clips of a VoxCeleb2 or FakeAVCeleb tree that may calibrate.

    Raises:
        UsageError: the folder is neither.
    """
    if voxceleb2.is_tree(root):
        return voxceleb2.records(root)
    records = fakeavceleb.records(root)
    return [r for r in records if r.type == REAL_TYPE and r.identity.removeprefix("id")[:1] in _CALIBRATES]


def _measured(record: ClipRecord, method: Method) -> Iterator[tuple[float, Evidence]]:
    """Every window of every length, half overlapping, of the longest stretch of one face of a clip."""
    try:
        activity = speech_activity(record.audio or record.path)
        if not len(activity.segments):
            return
        stretch = max(method.stretches(record.path, activity, record.audio), key=len, default=None)
    except CannotJudge as refusal:
        _log.warning("%s: left out, %s", record.name, refusal)
        return
    if stretch is None:
        return
    for length in method.lengths:
        frames = round(length * FPS)
        for start in range(0, len(stretch) - frames + 1, frames // 2):
            window = stretch[start : start + frames]
            if window.speech.sum() >= MIN_SPEECH:
                yield length, method.gather(window)
