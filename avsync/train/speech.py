"""The files of speech a training learns from, and those of other speakers it is validated on."""

import logging
from collections.abc import Sequence
from pathlib import Path

from avsync.config import DataConfig
from avsync.datasets.record import ClipRecord
from avsync.datasets.registry import open_dataset
from avsync.datasets.splits import split_by_speaker, training_records
from avsync.errors import CannotJudge, UsageError
from avsync.files import sha256_of
from avsync.media.probe import probe
from avsync.progress import counting
from avsync.speech.utterance import Utterance
from avsync.train.config import VoiceLinearTraining
from avsync.train.split import Split

_SHORTEST = 1.0  # s; less of a voice teaches nothing

_log = logging.getLogger(__name__)


def find_speech(config: DataConfig, seed: int) -> Split[Utterance]:
    """Find files of speech, and split them by speaker. Files that cannot be read, or are short, are logged.

    Args:
        config: where the files are, and which to use.
        seed: of the choice of speakers to validate on.

    Raises:
        UsageError: fakes in the data, or no file on one side of the split.
    """
    records = training_records(Path(config.root), config.exclude, config.dataset or None)
    training, unseen = split_by_speaker(records, config.validation, config.validation_share, seed)
    with counting("reading headers") as on_progress:
        found = []
        for records_of in (training, unseen):
            found.append(_utterances(records_of))
            on_progress(len(found), 2)
    left_out = len(records) - sum(map(len, found))
    if not all(found):
        raise UsageError(f"{config.root}: no usable file on one side of the split ({left_out} were left out)")
    return Split(found[0], found[1], left_out)


def find_labelled(config: VoiceLinearTraining) -> Split[Utterance]:
    """Find the real and fake files of a data set that its split tables name.

    Raises:
        UsageError: no such data set or table, or a table without a real or without a fake file.
    """
    found, left_out = [], 0
    for table in (config.labelled, config.labelled_validation):
        records = open_dataset(Path(config.data.root), split=Path(table))
        files = _utterances(records)
        if {file.fake for file in files} != {False, True}:
            raise UsageError(f"{table}: names no real or no fake file that can be read; both are needed")
        found.append(files)
        left_out += len(records) - len(files)
    return Split(found[0], found[1], left_out)


def _utterances(records: Sequence[ClipRecord]) -> list[Utterance]:
    found = []
    for record in records:
        path = record.audio or record.path
        try:
            info = probe(path)
            if not info.has_audio or info.duration < _SHORTEST:
                _log.warning("%s: left out, less than %g s of sound", record.name, _SHORTEST)
                continue
            found.append(Utterance(path, record.speaker, sha256_of(path), info.duration, record.label == "fake"))
        except (CannotJudge, OSError) as error:
            _log.warning("%s: left out, %s", record.name, error)
    return found
