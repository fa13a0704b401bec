"""Section c: whole clips, fakes against real ones, by type and by generator."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from avsync.datasets import ClipRecord
from avsync.detector import Detector
from avsync.evaluate import Settings, evaluate
from avsync.evaluate.metrics import DRAWS, Estimate, auc, estimate, share
from avsync.evaluate.results import ClipResult, ResultsFile
from avsync.score.verdict import Verdict
from benchmark.bench import LEVEL, Bench
from benchmark.report import Row, Tables, say

# A generator with fewer clips has no row; one with so many should not be below 0.5.
_FEWEST, _MANY = 5, 10
_GENERATOR = "· "  # before its name, below its type


def fakes(bench: Bench) -> Tables:
    """ROC AUC of the verdicts, of two shortcuts and of each part of the verdict; how often real clips are suspected.

    Stopped and run again, it goes on where it was, as long as neither the checkpoint nor the code has changed.
    """
    results, readings = _judged(bench, [*bench.held_out, *bench.fakes])
    real = [result for result in results if not result.fake and result.judged]
    parts = list(dict.fromkeys(name for odd in readings.values() for name in odd))
    whole: list[Row] = []
    apart: list[Row] = []
    many, weak = 0, []
    for name, members in _groups([result for result in results if result.fake]):
        judged = [result for result in members if result.judged]
        figure = _auc(real, judged, lambda result: result.oddness)
        row: Row = {"fakes": name, "judged": f"{len(judged)}/{len(members)}"}
        row |= {"people": len({result.identity for result in judged}), "AUC": figure, "suspicious": _flagged(judged)}
        row["leading silence"] = _auc(real, judged, lambda result: result.leading_silence, draws=1).value
        row["length"] = _auc(real, judged, lambda result: result.duration, draws=1).value
        whole.append(row)
        alone: Row = {part: _auc(real, judged, partial(_of, readings, part), draws=1).value for part in parts}
        apart.append({"fakes": name} | alone)
        if name.startswith(_GENERATOR) and len(members) >= _MANY:
            many += 1
            if not figure.value >= 0.5:  # a generator of which no clip could be judged is below, too
                weak.append(f"{name.removeprefix(_GENERATOR)} {figure.value:.2f}")
    refused = len(bench.held_out) - len(real)
    checks: list[Row] = [
        {"check": f"real clips called suspicious at level {LEVEL:g}", "n": len(real), "figure": _flagged(real)},
        {"check": "real clips that could not be judged", "n": len(bench.held_out), "figure": refused},
        {"check": f"generators of {_MANY} clips or more below 0.5", "n": many, "figure": ", ".join(weak) or "none"},
    ]
    return {
        "Fakes against real clips, ROC AUC": whole,
        "Checks": checks,
        "Each part of the verdict by itself, ROC AUC": apart,
    }


def _judged(bench: Bench, records: Sequence[ClipRecord]) -> tuple[list[ClipResult], dict[str, dict[str, float]]]:
    """The result of every clip, and of those judged how odd each part of the verdict is by itself."""
    folder = bench.folder / f"clips-{bench.code}"
    settings = Settings(bench.detector.model, bench.detector.weights_sha256, "default", LEVEL)
    judge = _Judge(bench.detector, {record.path: record.name for record in records}, folder / "readings.jsonl")
    evaluate(records, judge, folder, settings=settings, hook=partial(say, "clips"))
    kept = ResultsFile(folder, settings).read()
    return [kept[record.name] for record in records], judge.readings()


class _Judge:
    """Scores clips, and keeps what each part of the verdict says of the track it rests on: high is odd."""

    def __init__(self, detector: Detector, names: dict[Path, str], file: Path) -> None:
        self._detector, self._names, self._file = detector, names, file

    def __call__(self, path: Path) -> Verdict:
        verdict = self._detector.score(path)
        for track in verdict.tracks:
            if track.track == verdict.rests_on:
                odd = {"oddness": track.oddness, **{name: -p_value for name, p_value in track.aspects.items()}}
                odd |= {n: -r.percentile for n, r in track.readings.items() if r.percentile is not None}
                with self._file.open("a", encoding="utf-8") as lines:
                    # The line break comes first: a line that was cut off when the process was stopped spoils no other.
                    lines.write("\n" + json.dumps({"name": self._names[path], **odd}))
        return verdict

    def readings(self) -> dict[str, dict[str, float]]:
        """By clip, then by part."""
        found = {}
        for line in self._file.read_text(encoding="utf-8").splitlines():
            with suppress(json.JSONDecodeError):  # cut off, or the empty first one
                row = json.loads(line)
                found[row.pop("name")] = row
        return found


def _of(readings: dict[str, dict[str, float]], part: str, result: ClipResult) -> float:
    return readings[result.path][part]


def _groups(results: Sequence[ClipResult]) -> Iterator[tuple[str, list[ClipResult]]]:
    yield "all", list(results)
    yield "FakeVideo-*", [result for result in results if result.type.startswith("FakeVideo-")]
    for kind in sorted({result.type for result in results}):
        of_kind = [result for result in results if result.type == kind]
        yield kind, of_kind
        for method, clips in sorted(Counter(result.method for result in of_kind).items()):
            if clips >= _FEWEST:
                yield _GENERATOR + method, [result for result in of_kind if result.method == method]


def _auc(
    real: Sequence[ClipResult], fake: Sequence[ClipResult], value: Callable[[ClipResult], float], draws: int = DRAWS
) -> Estimate:
    """How often a fake's value is above a real clip's; clips whose value is not known are left out."""
    known = [result for result in (*real, *fake) if not math.isnan(value(result))]
    of_fakes = np.array([result.fake for result in known], bool)
    metric = partial(auc, of_fakes, np.array([value(result) for result in known], np.float64))
    return estimate(metric, [result.identity for result in known], draws=draws)


def _flagged(results: Sequence[ClipResult]) -> Estimate:
    flag = np.array([result.verdict == "suspicious" for result in results], bool)
    return estimate(partial(share, flag), [result.identity for result in results])
