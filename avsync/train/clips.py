"""The clips a training learns from, and those of other speakers it is validated on."""

import logging
from collections.abc import Sequence
from pathlib import Path

from avsync.config import DataConfig
from avsync.datasets.record import ClipRecord
from avsync.datasets.splits import split_by_speaker, training_records, without_speakers
from avsync.encoders.registry import Backbone
from avsync.errors import Reason, UsageError
from avsync.face import load_face_detector
from avsync.features import FeatureStore, StoredClip
from avsync.features.extract import extract, log_skipped
from avsync.features.packed import Packed, PackedClip, is_packed, read_packed
from avsync.progress import counting
from avsync.train.ranks import rank
from avsync.train.split import Split

# A clip with less of a face, or with less speech, than this teaches nothing (s).
_MIN_FACE, _MIN_SPEECH = 1.0, 0.5

TrainingClip = StoredClip | PackedClip

_log = logging.getLogger(__name__)


def find_clips(config: DataConfig, seed: int, backbone: Backbone, *, whole: bool) -> Split[TrainingClip]:
    """Find the clips, make the features that the store lacks, and split the clips by speaker.

    Args:
        config: where the clips are, and which to use.
        seed: of the choice of speakers to validate on.
        backbone: encodes lips and speech.
        whole: whether frames before the first and after the last speech are included.

    Raises:
        UsageError: fakes in the data, no clip on one side of the split, or tar files that were packed for another
            training.
    """
    if is_packed(config.root):
        packed = _packed(config, backbone, whole)
        records, clips, said = packed.records, list[TrainingClip](packed.clips), packed.making
    else:
        records, clips = _stored(config, backbone, whole)
        said = None
    _, unseen = split_by_speaker(records, config.validation, config.validation_share, seed)
    clips = _long_enough(clips)
    speakers = {record.speaker for record in unseen}
    training = [clip for clip in clips if clip.speaker not in speakers]
    validation = [clip for clip in clips if clip.speaker in speakers]
    left_out = len(records) - len(clips)
    if not training or not validation:
        raise UsageError(f"{config.root}: no usable clip on one side of the split ({left_out} were left out)")
    return Split(training, validation, left_out, *((said.name, said.licence) if said else ()))


def _stored(config: DataConfig, backbone: Backbone, whole: bool) -> tuple[list[ClipRecord], list[TrainingClip]]:
    """The clips of a folder, and the longest chunk of each that has features."""
    records = training_records(Path(config.root), config.exclude, config.dataset or None)
    faces = load_face_detector()
    store = FeatureStore(Path(config.cache), backbone.key, "default", faces.key, whole=whole)
    with counting("extracting", quiet=rank() > 0) as on_progress:
        kept = extract(records, backbone, store, faces=faces, workers=config.num_workers, on_progress=on_progress)
    return records, [store.longest(record, key) for record, key in kept]


def _packed(config: DataConfig, backbone: Backbone, whole: bool) -> Packed:
    """The clips of tar files, without speakers that are excluded."""
    packed = read_packed(config.root)
    wanted, got = (backbone.key, whole), (packed.making.features, packed.making.whole)
    if wanted != got:
        raise UsageError(
            f"{config.root}: packed for another training; avsync pack --backbone '{backbone.name}' makes its own"
        )
    records = without_speakers(packed.records, config.exclude)
    kept = {record.speaker for record in records}
    return Packed(packed.making, records, [clip for clip in packed.clips if clip.speaker in kept])


def _long_enough(clips: Sequence[TrainingClip]) -> list[TrainingClip]:
    """The clips without those that are too short, which are logged."""
    kept, reasons = list[TrainingClip](), list[Reason]()
    for clip in clips:
        if refusal := _too_short(clip):
            reasons.append(refusal[0])
            _log.warning("%s: left out, %s: %s", clip.record.name, *refusal)
        else:
            kept.append(clip)
    log_skipped(_log, f"{len(kept)} clips long enough to train on", reasons)
    return kept


def _too_short(clip: TrainingClip) -> tuple[Reason, str] | None:
    if clip.seconds < _MIN_FACE:
        return Reason.TOO_SHORT, f"a face is seen for {clip.seconds:.2f} s; {_MIN_FACE} s are needed"
    if (speech := clip.speech_seconds) < _MIN_SPEECH:
        return Reason.NO_SPEECH, f"{speech:.2f} s of speech while a face is seen; {_MIN_SPEECH} s are needed"
    return None
