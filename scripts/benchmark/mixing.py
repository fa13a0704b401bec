"""The audio-mixing test: real speech and a rebuilt copy of it are mixed; does the probability follow the share?

From Afchar, Meseguer-Brocal & Hennequin, "Detecting music deepfakes is easy but actually hard" (arXiv 2405.04181,
calibration): a recording and its reconstruction are cut to the same length and added with the weights w and 1 - w, for
ten w from 0 to 1. Only copies that keep the time of the original (vocoders, codecs) can be mixed so: text-to-speech of
the same sentence would be two voices at once.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.evaluate.metrics import Floats, estimate
from avsync.evaluate.reliability import even_odds
from avsync.evaluate.table import Row
from avsync.score.verdict import Verdict
from benchmark.degrade_speech import Samples, read_speech, write_speech

SHARES = tuple(np.linspace(0, 1, 10).round(3).tolist())  # of the real clip
_IN_TIME = frozenset({"vocoder", "codec"})

Pair = tuple[ClipRecord, ClipRecord]  # a real clip and its copy


def pairs(records: Sequence[ClipRecord]) -> Iterator[Pair]:
    """Yield each copy that keeps the time of the original, with the first real clip of the same pair."""
    real = {(record.page, record.pair): record for record in reversed(records) if record.label == "real"}
    for record in records:
        if record.pair and record.kind in _IN_TIME and (original := real.get((record.page, record.pair))):
            yield original, record


def mix(real: Samples, fake: Samples, share: float) -> Samples:
    """Return both sounds, cut to the shorter, added with the weights `share` and 1 - `share`. [n], [m] → [min]."""
    length = min(len(real), len(fake))
    return np.asarray(share * real[:length] + (1 - share) * fake[:length], np.float32)


def mixing(found: Sequence[Pair], judge: Callable[[Path], Verdict], folder: Path) -> list[Row]:
    """Return a row for each share: mean probability of a fake at even odds, and share called suspicious, of all pairs.

    Args:
        found: real clips and their copies.
        judge: gives a verdict on a file.
        folder: for one mixed file at a time.
    """
    verdicts: dict[float, list[tuple[str, Verdict]]] = {share: [] for share in SHARES}
    for real, fake in found:
        sounds = read_speech(real.path), read_speech(fake.path)
        for share in SHARES:
            mixed = write_speech(folder / "mixed.flac", mix(*sounds, share))
            verdicts[share].append((real.identity, judge(mixed)))
    return [_row(share, of) for share, of in verdicts.items()]


def _row(share: float, verdicts: Sequence[tuple[str, Verdict]]) -> Row:
    judged = [(person, verdict, p) for person, verdict in verdicts if (p := verdict.p_value) is not None]
    people = [person for person, _, _ in judged]
    probability = even_odds(np.array([p for _, _, p in judged], np.float64))
    suspicious = np.array([verdict.verdict == "suspicious" for _, verdict, _ in judged], np.float64)
    return {
        "share of real": f"{share:.2f}",
        "judged": f"{len(judged)}/{len(verdicts)}",
        "probability at even odds": estimate(partial(_mean, probability), people),
        "suspicious": estimate(partial(_mean, suspicious), people),
    }


def _mean(values: Floats, weight: Floats) -> Floats:
    return np.asarray((weight * values).sum(-1) / weight.sum(-1))
