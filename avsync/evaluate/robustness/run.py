"""Make manipulated copies, have them judged, keep each verdict, and sum them up."""

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from avsync.datasets.record import ClipRecord
from avsync.engine import LIMITS, Engine, Limits
from avsync.evaluate.json_files import write_json
from avsync.evaluate.manipulations import RECIPES, Manipulation, mixes, of_suite
from avsync.evaluate.protocols.common import Clip
from avsync.evaluate.results import Settings, StoredVerdict, VerdictFile, describe
from avsync.evaluate.robustness.copies import CopyJob, Made, make_copies, slug, source_of
from avsync.evaluate.robustness.figures import Outcome, summarise
from avsync.evaluate.robustness.partners import Partners, partners_of
from avsync.evaluate.robustness.summary import Failure, RobustnessSummary
from avsync.files import write_whole
from avsync.score.verdict import Verdict

FOLDER, TABLE, FIGURES = "robustness", "robustness.csv", "robustness.json"
# So many copies are on the disk at a time, and two for each worker.
_BATCH = 16

Progress = Callable[[int, int], None]
# Gives a verdict on each file, in their order, and raises nothing for a bad one: `IsolatedDetector.score_all`.
JudgeAll = Callable[[Sequence[Path]], Iterable[Verdict]]


@dataclass(frozen=True)
class _Clip:
    """A clip to be manipulated: its record, what is added to its sound, and what a line of its verdict says of it."""

    record: ClipRecord
    others: list[ClipRecord]
    described: dict[str, str | int]


@dataclass
class _Part:
    """One manipulation: its clips by name, where verdicts are kept, those there are, and the clips without a copy."""

    manipulation: Manipulation
    clips: dict[str, _Clip]
    store: VerdictFile
    done: dict[str, StoredVerdict]
    failures: list[Failure] = field(default_factory=list)


def measure_robustness(
    records: Sequence[ClipRecord],
    before: Mapping[str, StoredVerdict],
    judge_all: JudgeAll,
    output: Path,
    *,
    settings: Settings,
    suite: str,
    jobs: int = 1,
    engine: Engine | None = None,
    limits: Limits = LIMITS,
    keep_copies: bool = False,
    on_progress: Progress | None = None,
) -> RobustnessSummary:
    """Judge manipulated copies of clips, and write `robustness.csv` and `robustness.json` into a folder.

    Verdicts are kept below `robustness/`, a folder for each manipulation. The process may be killed at any time and run
    again: what is there is not judged again, unless the clip or the recipe of its manipulation has changed. A clip that
    a manipulation cannot be made of is counted and named. Copies are deleted when they are judged: at most 16, and two
    for each worker, are on the disk.

    Args:
        records: the clips.
        before: by name, the verdicts on them as they are, of the same settings.
        judge_all: gives verdicts on files.
        output: the folder.
        settings: what `judge_all` was made with.
        suite: "quick" or "full".
        jobs, engine: how many copies are made side by side, and where, as `avsync.engine.do_jobs`.
        limits: of a copy; one that takes more is counted among those that cannot be made.
        keep_copies: leave the copies in `robustness/copies/`.
        on_progress: called with the number of copies judged and of all, first before any is made.

    Raises:
        UsageError: no such suite, or a folder that holds results of other settings.
        OSError: the folder cannot be written.
    """
    partners = partners_of(
        records, {name for name, stored in before.items() if stored.verdict.anomaly_score is not None}
    )
    parts = [
        _part(manipulation, of, partners, output / FOLDER, settings)
        for manipulation in (*of_suite(suite), *mixes())
        if (of := [record for record in records if partners.applies(manipulation, record)])
    ]
    copies = output / FOLDER / "copies"
    make = partial(make_copies, count=jobs, engine=engine, limits=limits)
    _judge_copies(parts, copies, judge_all, make, keep_copies, on_progress or (lambda done, total: None))
    if not keep_copies:
        shutil.rmtree(copies, ignore_errors=True)
    summary = summarise(suite, settings, _clips(records, before), [_outcome(part) for part in parts])
    write_whole(output / TABLE, summary.to_csv().encode())
    write_json(output / FIGURES, summary.to_dict())
    return summary


def _part(
    manipulation: Manipulation, records: Sequence[ClipRecord], partners: Partners, folder: Path, settings: Settings
) -> _Part:
    store = VerdictFile(folder / slug(manipulation.name), settings)
    before = store.read()
    clips = {record.name: _clip(manipulation, record, partners) for record in records}
    done = {n: before[n] for n, clip in clips.items() if n in before and before[n].clip == clip.described}
    return _Part(manipulation, clips, store, done)


def _clip(manipulation: Manipulation, record: ClipRecord, partners: Partners) -> _Clip:
    others = partners.others(manipulation, record)
    described = {**describe(record), "manipulation": manipulation.name, "recipe": RECIPES}
    return _Clip(record, others, {**described, **({"added": " ".join(one.name for one in others)} if others else {})})


def _judge_copies(
    parts: Sequence[_Part],
    folder: Path,
    judge_all: JudgeAll,
    make: Callable[[Iterable[CopyJob]], Generator[Made, None, None]],
    keep_copies: bool,
    report: Progress,
) -> None:
    """Make copies in workers, judge them batch by batch, and keep the verdicts."""
    by_name = {part.manipulation.name: part for part in parts}
    todo = [
        CopyJob(part.manipulation.name, name, source_of(clip.record, clip.others), folder)
        for part in parts
        for name, clip in part.clips.items()
        if name not in part.done
    ]
    total = sum(len(part.clips) for part in parts)
    done = total - len(todo)
    report(done, total)
    with ExitStack() as stack:
        adders = {name: stack.enter_context(part.store.appending()) for name, part in by_name.items()}
        made_copies = stack.enter_context(closing(make(todo)))
        while batch := list(islice(made_copies, _BATCH)):
            for made, verdict in _judged(batch, judge_all):
                part = by_name[made.job.manipulation]
                stored = StoredVerdict(part.clips[made.job.clip].described, verdict)
                part.done[made.job.clip] = stored
                adders[made.job.manipulation](stored)
            for made in batch:
                if made.path is None:
                    by_name[made.job.manipulation].failures.append(Failure(made.job.clip, made.why))
                elif not keep_copies:
                    made.path.unlink(missing_ok=True)
            done += len(batch)
            report(done, total)


def _judged(batch: Sequence[Made], judge_all: JudgeAll) -> Iterator[tuple[Made, Verdict]]:
    """Verdicts on the copies that could be made; each names its file from the folder of the evaluation on."""
    there = [(made, made.path) for made in batch if made.path is not None]
    for (made, path), verdict in zip(there, judge_all([path for _, path in there]), strict=True):
        yield made, replace(verdict, path=path.relative_to(made.job.folder.parent.parent).as_posix())


def _outcome(part: _Part) -> Outcome:
    clips = [Clip(clip.record, part.done[name]) for name, clip in part.clips.items() if name in part.done]
    return Outcome(part.manipulation, clips, sorted(part.failures, key=lambda failure: failure.clip))


def _clips(records: Sequence[ClipRecord], results: Mapping[str, StoredVerdict]) -> list[Clip]:
    return [Clip(record, results[record.name]) for record in records]
