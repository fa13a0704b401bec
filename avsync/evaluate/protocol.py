"""Judge every clip of a data set, keep each result, and sum them up."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from avsync.datasets.record import ClipRecord
from avsync.errors import Reason, UsageError
from avsync.evaluate.baselines import duration, leading_silence
from avsync.evaluate.results import ClipResult, ResultsFile, Settings, write_json
from avsync.evaluate.summary import Summary, summarise
from avsync.score.verdict import Verdict

Judge = Callable[[Path], Verdict]
Hook = Callable[[int, int], None]


def evaluate(
    records: Sequence[ClipRecord],
    judge: Judge,
    out: Path,
    *,
    settings: Settings,
    hook: Hook | None = None,
) -> Summary:
    """Judge `records` and write `clips.csv`, `settings.json` and `summary.json` into the folder `out`.

    May be killed at any time and run again: clips that `clips.csv` has already are not judged again, unless
    the size of their file, or what the data set says of them, has changed. A clip that cannot be judged is a
    result too, with its reason.

    Args:
        records: the clips; the summary is of these only, whatever else the folder holds.
        judge: gives a verdict and does not raise for bad files, such as `Detector.score`.
        out: the folder; made when it is not there.
        settings: what `judge` is made of.
        hook: called with the number of clips done and of all, first before any clip is judged.

    Raises:
        UsageError: no records, or a folder that holds results of other settings.
    """
    if not records:
        raise UsageError("there is no clip to evaluate")
    store = ResultsFile(out, settings)
    before = store.read()
    done = {r.name: before[r.name] for r in records if r.name in before and _is_of(before[r.name], r)}
    report = hook or (lambda done, total: None)
    report(len(done), len(records))
    with store.appending() as add:
        for record in records:
            if record.name not in done:
                done[record.name] = _result(record, judge)
                add(done[record.name])
                report(len(done), len(records))
    summary = summarise([done[record.name] for record in records], settings)
    write_json(out / "summary.json", summary.to_dict())
    return summary


def _is_of(result: ClipResult, record: ClipRecord) -> bool:
    said = (result.label, result.type, result.method, result.identity, result.bytes)
    return said == (record.label, record.type, record.method, record.identity, _size(record.path))


def _result(record: ClipRecord, judge: Judge) -> ClipResult:
    size = _size(record.path)
    if size < 0:
        verdict = Verdict(str(record.path), "cannot_judge", Reason.UNREADABLE, "missing file")
    else:
        verdict = judge(record.path)
    return ClipResult(
        path=record.name,
        label=record.label,
        type=record.type,
        method=record.method,
        identity=record.identity,
        bytes=size,
        verdict=verdict.verdict,
        reason=verdict.reason or "",
        detail=" ".join(verdict.detail.split()),
        p_value=math.nan if verdict.p_value is None else verdict.p_value,
        oddness=math.nan if verdict.oddness is None else verdict.oddness,
        leading_silence=leading_silence(record.path),
        duration=duration(record.path),
    )


def _size(path: Path) -> int:
    """Bytes of a file, -1 when it is missing."""
    return path.stat().st_size if path.is_file() else -1
