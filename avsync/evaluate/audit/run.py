"""Measure every clip of a data set, keep what was measured, and say what separates real from fake."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from avsync.datasets.record import ClipRecord
from avsync.engine import LIMITS, LOCAL, Engine, Limits
from avsync.errors import Reason, UsageError
from avsync.evaluate.audit.cues import MeasuredClip, ceiling, find_cues
from avsync.evaluate.audit.facts import FACTS
from avsync.evaluate.audit.limited import File, Outcome, Refused, measure_all
from avsync.evaluate.audit.measure import Measurer
from avsync.evaluate.audit.page import to_html
from avsync.evaluate.audit.store import FactsFile, StoredFacts
from avsync.evaluate.audit.summary import Audit
from avsync.evaluate.json_files import write_json
from avsync.evaluate.results import describe
from avsync.files import write_whole

Progress = Callable[[int, int], None]


def audit(
    records: Sequence[ClipRecord],
    output: Path,
    *,
    faces: str | None = None,
    jobs: int = 2,
    engine: Engine = LOCAL,
    limits: Limits = LIMITS,
    on_progress: Progress | None = None,
) -> Audit:
    """Measure clips, and write `facts.jsonl`, `audit.json` and `audit.html` into a folder.

    The process may be killed at any time and run again: a clip with a line in `facts.jsonl` is measured again only if
    the size of its file or what the data set says about it has changed, or if faces are asked for now. A clip that
    cannot be read is named in the result.

    Args:
        records: the clips, real ones and fakes.
        output: the folder; it is made if there is none.
        faces: the name of a face detector, to measure number and size of faces in a few pictures; None: no picture is
            decoded.
        jobs: how many processes measure side by side.
        engine: where they are, `avsync.engine.open_engine`.
        limits: of a file.
        on_progress: called with the number of clips done and of all, first before any clip is measured.

    Raises:
        UsageError: no real clip or no fake, none that can be read, an unknown face detector, or a folder that cannot be
            written or holds something else.
    """
    for label in ("real", "fake"):
        if not any(record.label == label for record in records):
            raise UsageError(f"the data set lists no {label} clip; an audit compares real clips with fakes")
    measure = partial(measure_all, make=partial(Measurer, faces), jobs=jobs, engine=engine, limits=limits)
    outcomes = _measure_all(records, FactsFile(output), faces, measure, on_progress or (lambda done, total: None))
    found = summarise(records, outcomes)
    write_json(output / "audit.json", found.to_dict())
    write_whole(output / "audit.html", to_html(found, _measured(records, outcomes)).encode())
    return found


def summarise(records: Sequence[ClipRecord], outcomes: Mapping[str, Outcome]) -> Audit:
    """Return what facts tell of clips.

    Args:
        records: the clips.
        outcomes: by name of the clip, its facts or why it has none.

    Raises:
        UsageError: no real clip or no fake was measured.
    """
    clips = _measured(records, outcomes)
    real = sum(clip.record.label == "real" for clip in clips)
    refused = {name: f"{one.reason}: {one.detail}" for name, one in outcomes.items() if isinstance(one, Refused)}
    if real in (0, len(clips)):
        name, why = next(iter(refused.items()))
        raise UsageError(f"no {'fake' if real else 'real'} clip could be measured; {name}: {why}")
    cues = find_cues(clips)
    differ = {cue.fact for cue in cues}
    return Audit(
        real=real,
        fake=len(clips) - real,
        identities=len({clip.record.identity for clip in clips}),
        refused=refused,
        cues=cues,
        same=[name for name in FACTS if name not in differ],
        ceiling=ceiling(clips),
    )


def _measured(records: Sequence[ClipRecord], outcomes: Mapping[str, Outcome]) -> list[MeasuredClip]:
    found = ((record, outcomes[record.name]) for record in records)
    return [MeasuredClip(record, outcome) for record, outcome in found if not isinstance(outcome, Refused)]


def _measure_all(
    records: Sequence[ClipRecord],
    store: FactsFile,
    faces: str | None,
    measure: Callable[[Sequence[File]], Iterator[tuple[int, Outcome]]],
    report: Progress,
) -> dict[str, Outcome]:
    """Return the outcomes by name of the clip, in the order of the records."""
    before = store.read()
    clips = {record.name: describe(record) for record in records}
    done = {name: before[name].outcome for name in clips if _is_done(before.get(name), clips[name], faces)}
    waiting = [record for record in {record.name: record for record in records}.values() if record.name not in done]
    report(len(done), len(clips))
    with store.appending() as add:
        for record in [record for record in waiting if clips[record.name]["bytes"] == -1]:
            done[record.name] = Refused(Reason.UNREADABLE, "the file is missing")
            waiting.remove(record)
        files = [File(record.path, record.audio) for record in waiting]
        for place, outcome in measure(files):
            name = waiting[place].name
            done[name] = outcome
            add(StoredFacts(clips[name], faces, outcome))
            report(len(done), len(clips))
    return {name: done[name] for name in clips}


def _is_done(stored: StoredFacts | None, clip: dict[str, str | int], faces: str | None) -> bool:
    return stored is not None and stored.clip == clip and faces in (None, stored.faces)
