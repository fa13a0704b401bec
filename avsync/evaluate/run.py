"""Judge every clip of a data set, keep each verdict, and sum them up."""

from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from avsync.datasets.record import ClipRecord
from avsync.errors import Reason, UsageError
from avsync.evaluate.clips_csv import to_csv
from avsync.evaluate.json_files import write_json
from avsync.evaluate.protocols import PROTOCOLS
from avsync.evaluate.protocols.interface import Summary
from avsync.evaluate.results import TABLE, Settings, StoredVerdict, VerdictFile, describe
from avsync.evaluate.sound_facts import sound_facts
from avsync.files import write_whole
from avsync.score.verdict import Verdict

Progress = Callable[[int, int], None]


class Judge(Protocol):
    """Gives a verdict on a file and raises nothing for a bad one, such as `Detector.score`."""

    def __call__(self, path: Path, *, audio: Path | None = None) -> Verdict: ...  # noqa: D102


class JudgeEach(Protocol):
    """Gives verdicts on many files side by side, such as `IsolatedDetector`."""

    def score_each(self, paths: Sequence[Path], *, audio: Sequence[Path | None]) -> Iterator[tuple[int, Verdict]]:
        """Yield the place of each file and its verdict, as they come."""


def evaluate(
    records: Sequence[ClipRecord],
    judge: Judge | JudgeEach,
    output: Path,
    *,
    settings: Settings,
    protocol: str | None = None,
    on_progress: Progress | None = None,
) -> Summary:
    """Judge clips, and write `verdicts.jsonl`, `settings.json`, `clips.csv` and `summary.json` into a folder.

    The process may be killed at any time and run again: a clip with a line in `verdicts.jsonl` is judged again only if
    the size of its file or what the data set says about it has changed. A clip that cannot be judged has a verdict too,
    with its reason. `clips.csv` and `summary.json` are written at the end.

    Args:
        records: the clips; only they are summed up, whatever else the folder holds.
        judge: gives a verdict on a file, or on many side by side.
        output: the folder; it is made if there is none.
        settings: what `judge` was made with.
        protocol: how the verdicts are summed up, one of `avsync.evaluate.protocols.PROTOCOLS`; None: the one that
            `default_protocol` names.
        on_progress: called with the number of clips done and of all, first before any clip is judged.

    Raises:
        UsageError: no records, an unknown protocol, or a folder that holds results of other settings.
    """
    protocol = protocol or default_protocol(records)
    if protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    if not records:
        raise UsageError("there is no clip to evaluate")
    results = _judge_all(records, judge, VerdictFile(output, settings), settings, on_progress)
    write_whole(output / TABLE, to_csv(list(results.values())).encode("utf-8", "surrogateescape"))
    summary = PROTOCOLS[protocol](records, results, settings)
    write_json(output / "summary.json", summary.to_dict())
    return summary


def default_protocol(records: Sequence[ClipRecord]) -> str:
    """Return the name of the protocol for these clips: "speech" if none has a picture, else "clips"."""
    return "clips" if any(record.has_picture for record in records) else "speech"


def _judge_all(
    records: Sequence[ClipRecord],
    judge: Judge | JudgeEach,
    store: VerdictFile,
    settings: Settings,
    on_progress: Progress | None,
) -> dict[str, StoredVerdict]:
    """Return the verdicts by name of the clip, in the order of the records."""
    before = store.read()
    clips = {record.name: describe(record) for record in records}
    done = {name: before[name] for name, clip in clips.items() if name in before and before[name].clip == clip}
    report = on_progress or (lambda done, total: None)
    report(len(done), len(clips))
    with store.appending() as add:
        missing = [record for record in {one.name: one for one in records}.values() if record.name not in done]
        there = {record.name for record in missing if clips[record.name]["bytes"] != -1}
        for record, verdict in _verdicts(missing, there, judge, settings):
            sound = None if record.has_picture else sound_facts(record.path)
            done[record.name] = StoredVerdict(clips[record.name], verdict, sound)
            add(done[record.name])
            report(len(done), len(clips))
    return {name: done[name] for name in clips}


def _verdicts(
    records: Sequence[ClipRecord], there: Container[str], judge: Judge | JudgeEach, settings: Settings
) -> Iterator[tuple[ClipRecord, Verdict]]:
    """Verdicts as they come; `there` has the names of the clips whose files exist."""
    if callable(judge):
        for record in records:
            found = record.name in there
            yield record, judge(record.path, audio=record.audio) if found else _gone(record, settings)
        return
    yield from ((record, _gone(record, settings)) for record in records if record.name not in there)
    records = [record for record in records if record.name in there]
    sounds = [record.audio for record in records]
    for place, verdict in judge.score_each([record.path for record in records], audio=sounds):
        yield records[place], verdict


def _gone(record: ClipRecord, settings: Settings) -> Verdict:
    return Verdict(
        path=str(record.path),
        verdict="cannot_judge",
        reason=Reason.UNREADABLE,
        detail="the file is missing",
        level=settings.level,
        model=settings.model,
        weights_sha256=settings.weights_sha256,
    )
