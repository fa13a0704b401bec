"""Make a stress set: look at real clips, make reconstructions until enough are good, keep a record of all of it."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.files import write_whole
from avsync.media import frames
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.reconstruct.face.registry import described
from avsync.stress.assess import allowed, face_masks, quality_of, quality_of_real
from avsync.stress.measures import likeness, psnr
from avsync.stress.plan import Slot, drawn, method_of, slots, source_of
from avsync.stress.provenance import (
    PURPOSE,
    REAL_PURPOSE,
    Candidate,
    Real,
    Settings,
    StressSet,
    read_stress_set,
)
from avsync.stress.shot import Shot, open_shot, pieces
from avsync.stress.write import write_pictures

MANIFEST, CLIPS = "meta.csv", "clips"
_COLUMNS = ("path", "label", "type", "method", "identity", "kind", "pair")
_FAKE_TYPE = "FakeVideo-RealAudio"
_REFERENCE = 20  # real clips that are looked at to learn what is allowed, if there are so many
_NAMED = 12  # hex digits of a hash that name a clip


class Recipe(NamedTuple):
    """How reconstructions are made: the names that `rebuild_face` takes, and where networks run."""

    kinds: list[str]
    blendings: list[str]
    device: str


def make_stress_set(
    records: Sequence[ClipRecord],
    folder: Path,
    recipe: Recipe,
    settings: Settings,
    on_progress: Callable[[int, int], None] | None = None,
) -> StressSet:
    """Make real clips and reconstructions of them in `folder/clips`, `stress.json`, and at the end `meta.csv`.

    The process may be killed at any time and run again: files appear whole, and what is done is not done again.

    Args:
        records: real clips with sound.
        folder: for the set; it is made if there is none.
        recipe: how reconstructions are made.
        settings: what the set depends on.
        on_progress: called with the reconstructions that are done or given up, and how many are wanted.

    Raises:
        UsageError: the folder holds something else, or no clip can be used.
    """
    made = _begun(folder, settings)
    by_name = {record.name: record for record in records}
    _look(made, drawn(records, settings.seed), folder)
    if not made.real:
        first = next(iter(made.refused.items()), None)
        raise UsageError("no real clip can be used" + (f": {first[0]}: {first[1]}" if first else ""))
    made.bounds = allowed([one.quality for one in made.real], [one.identity for one in made.real], settings.share)
    report = on_progress or (lambda done, total: None)
    wanted = slots(recipe.kinds, recipe.blendings, settings.clips)
    report(len(made.kept), len(wanted))
    for real, asked in _by_clip(made, wanted):
        shot = open_shot(by_name[real.name])
        if shot.sha256 != real.sha256:
            raise UsageError(f"{real.name} has changed since this set was begun; choose another folder")
        for slot, tried in asked:
            made.candidates.append(_candidate(made, real, shot, slot, tried, recipe.device, folder))
            made.save(folder)
            report(len(made.kept), len(wanted))
    write_whole(folder / MANIFEST, _manifest(made).encode())
    made.complete = True
    made.save(folder)
    return made


def _begun(folder: Path, settings: Settings) -> StressSet:
    """What a folder holds of this set, without clips whose files are gone.

    Raises:
        UsageError: it holds a set of other settings, or other files.
    """
    made = read_stress_set(folder)
    if made is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder}: holds other files; choose a new folder")
        made = StressSet(settings)
        made.save(folder)
    if made.settings != settings:
        changed = [name for name in Settings.__slots__ if getattr(made.settings, name) != getattr(settings, name)]
        raise UsageError(f"{folder}: holds a set of other settings (changed: {', '.join(changed)}); choose another")
    made.real = [one for one in made.real if (folder / one.file).is_file()]
    made.candidates = [one for one in made.candidates if not one.file or (folder / one.file).is_file()]
    return made


def _look(made: StressSet, records: Sequence[ClipRecord], folder: Path) -> None:
    """Measure and copy real clips, in this order, until there are enough for the reconstructions and the bounds."""
    before, made.real = {one.name: one for one in made.real}, []
    for record in records:
        if len(made.real) == max(made.settings.clips, _REFERENCE):
            return
        if record.name in made.refused:
            continue
        if record.name in before:
            made.real.append(before[record.name])
            continue
        try:
            made.real.append(_real(record, folder, {one.sha256: one.name for one in made.real}))
        except CannotJudge as refusal:
            made.refused[record.name] = refusal.detail
        made.save(folder)


def _real(record: ClipRecord, folder: Path, known: dict[str, str]) -> Real:
    shot = open_shot(record)
    if shot.sha256 in known:
        raise CannotJudge(Reason.UNREADABLE, f"the same file as {known[shot.sha256]}")
    target = folder / CLIPS / f"real_{shot.sha256[:_NAMED]}"
    start = shot.footage.start
    written = write_pictures(target, shot.pictures(), shot.sound, start, shot.seconds, REAL_PURPOSE)
    return Real(
        name=record.name,
        sha256=shot.sha256,
        identity=record.identity,
        file=written.relative_to(folder).as_posix(),
        start=round(start, 3),
        seconds=round(shot.seconds, 3),
        quality=quality_of_real(shot),
        encoded=_encoded(shot, written),
    )


def _encoded(shot: Shot, written: Path) -> float:
    """PSNR (dB) of the copy of a shot, inside the face."""
    masks, errors, copied = face_masks(shot.footage), list[float](), frames(written, colour=True)
    for piece in pieces(shot):
        again = np.stack([next(copied).image[piece.box] for _ in piece.pictures])
        errors += likeness(piece.pictures, again, piece.masks(masks))[0].tolist()
    return psnr(float(np.mean(errors)))


def _by_clip(made: StressSet, wanted: Sequence[Slot]) -> Iterator[tuple[Real, list[tuple[Slot, int]]]]:
    """Yield what is to be tried next, real clip by real clip, round by round, until nothing is left to try."""
    for tried in range(min(made.settings.tries, len(made.real))):
        done = {(one.slot, one.tried) for one in made.candidates}
        filled, asked = {one.slot for one in made.kept}, defaultdict[int, list[Slot]](list)
        for slot in wanted:
            source = source_of(slot, tried, len(made.real), made.settings.seed)
            if slot.number not in filled and (slot.number, tried) not in done:
                asked[source].append(slot)
        for source in sorted(asked):
            yield made.real[source], [(slot, tried) for slot in asked[source]]


def _candidate(made: StressSet, real: Real, shot: Shot, slot: Slot, tried: int, device: str, folder: Path) -> Candidate:
    """Make one reconstruction, and write it if it is good enough."""
    assert made.bounds is not None
    rng = np.random.default_rng([made.settings.seed, slot.number, tried])
    rebuilt = rebuild_face(shot.footage, slot.kind, rng, blending=slot.blending, matched=True, device=device)
    quality = quality_of(shot, rebuilt)
    shares = quality.shares(made.bounds)
    failed = [name for name, share in shares.items() if share > 1]
    failed += ["unchanged"] if quality.psnr > real.encoded else []
    candidate = Candidate(
        slot=slot.number,
        tried=tried,
        kind=method_of(slot.kind),
        family=described(slot.kind).family,
        blending=slot.blending,
        source=real.sha256,
        quality=quality,
        flaw=max(shares.values()),
        failed=tuple(failed),
    )
    if failed:
        return candidate
    name = f"reconstruction_{slot.number:04}_{candidate.kind.replace(':', '-')}_{slot.blending}"
    pictures = shot.rebuilt_pictures(rebuilt)
    written = write_pictures(folder / CLIPS / name, pictures, shot.sound, shot.footage.start, shot.seconds, PURPOSE)
    return replace(candidate, file=written.relative_to(folder).as_posix())


def _manifest(made: StressSet) -> str:
    """The table of clips, which every verb opens (`avsync.datasets.manifest`)."""
    text, real = StringIO(), {one.sha256: one for one in made.real}
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    reals = ((one.file, "real", REAL_TYPE, "", one.identity, "", one.sha256[:_NAMED]) for one in made.real)
    fakes = (
        (one.file, "fake", _FAKE_TYPE, one.kind, real[one.source].identity, one.family, one.source[:_NAMED])
        for one in made.kept
    )
    table.writerows(chain(reals, fakes))
    return text.getvalue()
