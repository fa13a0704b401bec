"""The protocol "stress": reconstructions of `avsync stress`, by how they were made and how good they are."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError
from avsync.evaluate.baselines import BASELINES
from avsync.evaluate.metrics import Estimate, Floats, auc, estimate
from avsync.evaluate.protocols.common import (
    Clip,
    anomaly,
    anomaly_of,
    baseline,
    checks_of,
    coverage,
    flagged,
    judged,
    ranked,
)
from avsync.evaluate.protocols.stress_summary import StressGroup, StressSummary
from avsync.evaluate.results import Settings, StoredVerdict
from avsync.stress import Candidate, read_stress_set, stress_root

_TERTILES = ("best third", "middle third", "worst third")


def summarise(records: Sequence[ClipRecord], results: Mapping[str, StoredVerdict], settings: Settings) -> StressSummary:
    """Compute AUCs of well-crafted reconstructions by kind, blending and quality, with 95 % intervals by identity.

    Args:
        records: clips of one folder that `avsync stress` made.
        results: by name of the clip, what is stored of each of them.
        settings: what all verdicts were made with.

    Raises:
        UsageError: they are other clips.
    """
    made = _made(records)
    clips = [Clip(record, results[record.name]) for record in records]
    real, fake = [clip for clip in clips if clip.real], [clip for clip in clips if not clip.real]
    labels = {"": dict.fromkeys(made, ""), "kind": {n: one.kind for n, one in made.items()}}
    labels |= {"blending": {n: one.blending for n, one in made.items()}, "quality": _thirds(made)}
    groups = []
    for by, label in labels.items():
        names = _TERTILES if by == "quality" else sorted(set(label.values()))
        of = {name: [clip for clip in fake if label[clip.record.name] == name] for name in names}
        groups += [_group(real, members, made, by, name) for name, members in of.items() if members]
    return StressSummary(
        settings, coverage(real), coverage(fake), len({r.identity for r in records}), flagged(real), groups
    )


def _made(records: Sequence[ClipRecord]) -> dict[str, Candidate]:
    """By name of the clip, what `stress.json` says of each reconstruction."""
    root = stress_root((record.path, record.name) for record in records)
    made = read_stress_set(root) if root else None
    known = {one.file: one for one in made.kept} if made else {}
    if unknown := [record.name for record in records if record.label == "fake" and record.name not in known]:
        raise UsageError(
            f"--protocol stress is for a folder that avsync stress made; {unknown[0]} is of no such folder"
        )
    return known


def _thirds(made: Mapping[str, Candidate]) -> dict[str, str]:
    """By name, in which third of the set a reconstruction is by its flaw."""
    order = sorted(made, key=lambda name: (made[name].flaw, name))
    return {name: _TERTILES[3 * place // len(order)] for place, name in enumerate(order)}


def _group(
    real: Sequence[Clip], fake: Sequence[Clip], made: Mapping[str, Candidate], by: str, name: str
) -> StressGroup:
    clips, with_score = [*real, *fake], list(filter(judged, fake))
    seen = list(filter(judged, clips))
    return StressGroup(
        by=by,
        name=name,
        clips=len(fake),
        judged=len(with_score),
        identities=len({clip.record.identity for clip in with_score}),
        flaw=float(np.median([made[clip.record.name].flaw for clip in fake])),
        auc=ranked(auc, clips, anomaly),
        above_own=_above_own(real, fake),
        flagged=flagged(fake),
        checks={check: ranked(auc, clips, partial(anomaly_of, check)) for check in checks_of(clips)},
        baselines={shortcut: ranked(auc, seen, partial(baseline, shortcut)) for shortcut in BASELINES},
    )


def _above_own(real: Sequence[Clip], fake: Sequence[Clip]) -> Estimate:
    """How often a reconstruction scores above its real clip, of those where both have a score."""
    own = {clip.record.pair: anomaly(clip) for clip in real}
    pairs = [(clip, anomaly(clip), own.get(clip.record.pair)) for clip in fake]
    known = [
        (clip.record.identity, of_fake - of_real)
        for clip, of_fake, of_real in pairs
        if of_fake is not None and of_real is not None
    ]
    above = (np.sign([difference for _, difference in known]) + 1) / 2

    def mean(weight: Floats) -> Floats:
        total = weight.sum(-1)
        return np.asarray((weight * above).sum(-1) / np.where(total == 0, np.nan, total))

    return estimate(mean, [person for person, _ in known])
