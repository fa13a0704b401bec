"""Make a stress set: look at real clips, make reconstructions until enough are good, keep a record of all of it."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import CannotJudge, UsageError
from avsync.files import write_whole
from avsync.media import frames
from avsync.stress.assess import allowed, masked, quality_of_real
from avsync.stress.candidate import ClipJob, try_clip
from avsync.stress.measures import likeness, psnr
from avsync.stress.plan import Slot, drawn, slots, source_of
from avsync.stress.provenance import CLIPS, REAL_PURPOSE, Real, Settings, StressSet, read_stress_set
from avsync.stress.shot import Shot, open_shot
from avsync.stress.write import write_pictures
from avsync.workers import run_jobs

MANIFEST = "meta.csv"
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
    *,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> StressSet:
    """Make real clips and reconstructions of them in `folder/clips`, `stress.json`, and at the end `meta.csv`.

    The process may be killed at any time and run again: files appear whole, and what is done is not done again.

    Args:
        records: real clips with sound.
        folder: for the set; it is made if there is none.
        recipe: how reconstructions are made.
        settings: what the set depends on.
        jobs: how many clips are worked on side by side; the set does not depend on it.
        on_progress: called with the reconstructions that are in the set, and how many are wanted.

    Raises:
        UsageError: the folder holds something else, or no clip can be used.
        AvsyncError: a process died.
    """
    made = _begun(folder, settings)
    order = drawn(records, settings.seed)
    _look(made, order, folder, jobs)
    if not made.real:
        first = next(iter(made.refused.items()), None)
        raise UsageError("no real clip can be used" + (f": {first[0]}: {first[1]}" if first else ""))
    made.bounds = allowed([one.quality for one in made.real], [one.identity for one in made.real], settings.share)
    report = on_progress or (lambda done, total: None)
    report(len(made.kept), settings.clips)
    for asked in _rounds(made, {record.name: record for record in records}, recipe, folder):
        for candidate in run_jobs(try_clip, partial(next, iter(asked), None), jobs):
            made.candidates = sorted([*made.candidates, candidate], key=lambda one: (one.slot, one.tried))
            made.save(folder)
            report(len(made.kept), settings.clips)
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


def _look(made: StressSet, order: Sequence[ClipRecord], folder: Path, jobs: int) -> None:
    """Measure and copy real clips, in this order, until there are enough for the reconstructions and the bounds."""
    known, enough = {one.name: one for one in made.real}, max(made.settings.clips, _REFERENCE)
    waiting = [record for record in order if record.name not in {*known, *made.refused}]
    while waiting and len(known) < enough:
        missing = enough - len(known)
        some, waiting = ((record, folder) for record in waiting[:missing]), waiting[missing:]
        for name, found in run_jobs(_look_at, partial(next, some, None), jobs):
            if isinstance(found, Real):
                known[name] = found
            else:
                made.refused[name] = found
            made.real = [known[record.name] for record in order if record.name in known]
            made.save(folder)
        seen = dict[str, str]()
        for one in made.real:
            if seen.setdefault(one.sha256, one.name) != one.name:
                made.refused[one.name] = f"the same file as {seen[one.sha256]}"
                del known[one.name]
        made.real = [known[record.name] for record in order if record.name in known]


def _look_at(job: tuple[ClipRecord, Path]) -> Iterator[tuple[str, Real | str]]:
    """Yield the name of a clip and what is known of it, or why it cannot be used."""
    record, folder = job
    try:
        yield record.name, _real(record, folder)
    except CannotJudge as refusal:
        yield record.name, refusal.detail


def _real(record: ClipRecord, folder: Path) -> Real:
    shot = open_shot(record)
    target, start = folder / CLIPS / f"real_{shot.sha256[:_NAMED]}", shot.footage.start
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
    errors, copied = list[float](), frames(written, colour=True)
    for piece, parts in masked(shot, ["hull"]):
        again = np.stack([next(copied).image[piece.box] for _ in piece.pictures])
        errors += likeness(piece.pictures, again, parts["hull"])[0].tolist()
    return psnr(float(np.mean(errors)))


def _rounds(
    made: StressSet, records: Mapping[str, ClipRecord], recipe: Recipe, folder: Path
) -> Iterator[list[ClipJob]]:
    """Yield what is to be tried in each round, clip by clip; a round is made when the one before is done."""
    settings, sources = made.settings, made.real
    wanted = slots(recipe.kinds, recipe.blendings, settings.clips)
    for tried in range(min(settings.tries, len(sources))):
        done = {(one.slot, one.tried) for one in made.candidates}
        filled, asked = {one.slot for one in made.kept}, defaultdict[int, list[Slot]](list)
        for slot in wanted:
            if slot.number not in filled and (slot.number, tried) not in done:
                asked[source_of(slot, tried, len(sources), settings.seed)].append(slot)
        assert made.bounds is not None
        common = tried, made.bounds, settings.seed, recipe.device, folder
        yield [ClipJob(records[sources[n].name], sources[n], asked[n], *common) for n in sorted(asked)]


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
