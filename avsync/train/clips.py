"""The clips a training learns from, and those of other speakers it is validated on."""

import logging
from collections.abc import Sequence
from pathlib import Path

from avsync.config import DataConfig
from avsync.datasets.record import ClipRecord
from avsync.datasets.splits import split_by_speaker, training_records
from avsync.encoders.registry import Backbone
from avsync.errors import Reason, UsageError
from avsync.face import load_face_detector
from avsync.features import FeatureStore, StoredClip
from avsync.features.extract import extract, log_skipped
from avsync.media import FPS
from avsync.progress import counting
from avsync.train.split import Split

# A clip with less of a face, or with less speech, than this teaches nothing (s).
_MIN_FACE, _MIN_SPEECH = 1.0, 0.5

_log = logging.getLogger(__name__)


def find_clips(config: DataConfig, seed: int, backbone: Backbone, *, whole: bool) -> Split[StoredClip]:
    """Find the clips, make the features that the store lacks, and split the clips by speaker.

    Args:
        config: where the clips are, and which to use.
        seed: of the choice of speakers to validate on.
        backbone: encodes lips and speech.
        whole: whether frames before the first and after the last speech are included.

    Raises:
        UsageError: fakes in the data, or no clip on one side of the split.
    """
    records = training_records(Path(config.root), config.exclude, config.dataset or None)
    _, unseen = split_by_speaker(records, config.validation, config.validation_share, seed)
    clips = _stored(records, config, backbone, whole)
    speakers = {record.speaker for record in unseen}
    training = [clip for clip in clips if clip.record.speaker not in speakers]
    validation = [clip for clip in clips if clip.record.speaker in speakers]
    left_out = len(records) - len(clips)
    if not training or not validation:
        raise UsageError(f"{config.root}: no usable clip on one side of the split ({left_out} were left out)")
    return Split(training, validation, left_out)


def _stored(records: Sequence[ClipRecord], config: DataConfig, backbone: Backbone, whole: bool) -> list[StoredClip]:
    """The longest chunk of each clip; clips that are too short are logged and left out."""
    faces = load_face_detector()
    store = FeatureStore(Path(config.cache), backbone.key, "default", faces.key, whole=whole)
    with counting("extracting") as on_progress:
        kept = extract(records, backbone, store, faces=faces, workers=config.num_workers, on_progress=on_progress)
    clips, reasons = list[StoredClip](), list[Reason]()
    for record, key in kept:
        clip = store.longest(record, key)
        if refusal := _too_short(clip):
            reasons.append(refusal[0])
            _log.warning("%s: left out, %s: %s", record.name, *refusal)
        else:
            clips.append(clip)
    log_skipped(_log, f"{len(clips)} clips long enough to train on", reasons)
    return clips


def _too_short(clip: StoredClip) -> tuple[Reason, str] | None:
    seconds = clip.frames() / FPS
    if seconds < _MIN_FACE:
        return Reason.TOO_SHORT, f"a face is seen for {seconds:.2f} s; {_MIN_FACE} s are needed"
    speech = float(clip.read("speech_share").sum()) / FPS
    if speech < _MIN_SPEECH:
        return Reason.NO_SPEECH, f"{speech:.2f} s of speech while a face is seen; {_MIN_SPEECH} s are needed"
    return None
