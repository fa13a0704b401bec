"""Reconstructions of one real clip: made, measured, and written if they are good enough."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError
from avsync.reconstruct.face import Region
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.reconstruct.face.registry import described
from avsync.stress.assess import quality_of
from avsync.stress.measures import Quality
from avsync.stress.plan import Slot, method_of
from avsync.stress.provenance import CLIPS, PURPOSE, Candidate, Real
from avsync.stress.shot import Shot, open_shot
from avsync.stress.write import write_pictures


@dataclass(frozen=True, slots=True)
class ClipJob:
    """What is to be made of a real clip.

    Attributes:
        record, real: the clip.
        slots: what is wanted of it.
        tried: how many candidates each of these slots has had before.
        bounds: what is allowed in each part of the face.
        seed: of the set.
        device: where networks run.
        folder: of the set.
    """

    record: ClipRecord
    real: Real
    slots: list[Slot]
    tried: int
    bounds: dict[Region, Quality]
    seed: int
    device: str
    folder: Path


def try_clip(job: ClipJob) -> Iterator[Candidate]:
    """Yield the candidate of each slot.

    Raises:
        UsageError: the clip is not what it was.
    """
    shot = open_shot(job.record)
    if shot.sha256 != job.real.sha256:
        raise UsageError(f"{job.real.name} has changed since this set was begun; choose another folder")
    for slot in job.slots:
        yield _candidate(job, shot, slot)


def _candidate(job: ClipJob, shot: Shot, slot: Slot) -> Candidate:
    rng = np.random.default_rng([job.seed, slot.number, job.tried])
    rebuilt = rebuild_face(shot.footage, slot.kind, rng, blending=slot.blending, matched=True, device=job.device)
    quality = quality_of(shot, rebuilt)
    shares = quality.shares(job.bounds[rebuilt.region])
    failed = [name for name, share in shares.items() if share > 1]
    failed += ["unchanged"] if quality.psnr > job.real.encoded else []
    candidate = Candidate(
        slot=slot.number,
        tried=job.tried,
        kind=method_of(slot.kind),
        family=described(slot.kind).family,
        blending=slot.blending,
        region=rebuilt.region,
        source=shot.sha256,
        quality=quality,
        flaw=max(shares.values()),
        failed=tuple(failed),
    )
    if failed:
        return candidate
    name = f"reconstruction_{slot.number:04}_{candidate.kind.replace(':', '-')}_{slot.blending}"
    pictures = shot.rebuilt_pictures(rebuilt)
    written = write_pictures(job.folder / CLIPS / name, pictures, shot.sound, shot.footage.start, shot.seconds, PURPOSE)
    return replace(candidate, file=written.relative_to(job.folder).as_posix())
