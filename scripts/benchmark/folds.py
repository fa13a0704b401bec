"""Calibrations that have not seen whom they judge: the people of a data set are dealt into folds."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from avsync.calibrate import calibrate
from avsync.checkpoint import EMBEDDED
from avsync.checks.load import load_setup
from avsync.datasets import ClipRecord
from avsync.datasets.splits import refuse_fakes
from benchmark.report import say


def calibrated_folds(
    real: Sequence[ClipRecord], folds: int, folder: Path, weights: Path | None = None
) -> Iterator[Path]:
    """Yield for each fold a checkpoint that was calibrated on the clips of the others.

    Args:
        real: clips of any role.
        folds: how many.
        folder: for the checkpoints.
        weights: the model; None: the embedded one. Its own calibration is not used.

    Raises:
        UsageError: a fake, or too few people.
    """
    refuse_fakes(real)
    for fold in range(folds):
        output = folder / f"fold-{fold}.safetensors"
        others = [record for record in real if fold_of(record.identity, folds) != fold]
        calibrate(others, load_setup(weights or EMBEDDED, calibrating=True), output)
        say("folds calibrated", fold + 1, folds)
        yield output


def fold_of(identity: str, folds: int) -> int:
    """A person's fold, by the second byte of the hash of the identity; the first decides the role."""
    return sha256(identity.encode("utf-8", "surrogatepass")).digest()[1] % folds
