"""Sections `swapped_audio` and `lag`: windows of real clips, with their own sound and with that of other people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from avsync.checks.interface import Check, by_clips
from avsync.checks.lips import LipsCheck, with_speech_of
from avsync.clip import FaceClip
from avsync.datasets import ClipRecord
from avsync.errors import CannotJudge, UsageError
from avsync.evaluate.metrics import auc, estimate, share
from avsync.evaluate.table import Row, Tables
from avsync.media import FPS
from avsync.score.judge import Judged, fuse, judge_check
from avsync.score.windows import can_score
from benchmark.bench import SEED, Bench
from benchmark.report import say

_SECONDS = (3, 5)
_SWAPS = 6  # each window is heard with the sound of so many windows of other people
_LAG_SECONDS, _LAG_HOP = 3, FPS // 2
# The median lag of a clip with fewer windows says little.
_FEWEST_LAGS = 3

Results = dict[str, Judged]  # by check


@dataclass(frozen=True, slots=True)
class _Window:
    record: ClipRecord
    clip: FaceClip


def swapped_audio(bench: Bench) -> Tables:
    """Compare windows of real clips with the same lips and other people's speech: ROC AUC, intervals by identity."""
    rows = []
    for seconds in _SECONDS:
        hop = seconds * FPS // 2
        real = _windows(bench, bench.reporting, seconds, hop)
        in_data_set = [record for record in bench.records if record.method == "audio-swap"]
        kinds = {
            f"{_SWAPS} other people's speech each": list(_swaps(real)),
            "audio-swap clips of the data set": _windows(bench, in_data_set, seconds, hop),
        }
        genuine = _judge(bench, real, f"real windows of {seconds} s")
        for kind, swapped in kinds.items():
            results = [*genuine, *_judge(bench, swapped, f"swapped windows of {seconds} s")]
            row: Row = {"windows": f"{seconds} s", "swapped": kind, "n real": len(real), "n swapped": len(swapped)}
            rows.append(row | _figures(bench, [*real, *swapped], results, len(real)))
    return {"Swapped audio, ROC AUC": rows}


def lag(bench: Bench) -> Tables:
    """Count how often the lag of a 3 s window is within one frame of the median lag of its clip's windows."""
    lips = _lips(bench)
    rows: list[Row] = []
    for people, records in (
        ("not used for calibration", bench.reporting),
        ("all", [*bench.reporting, *bench.calibrating]),
    ):
        windows = _windows(bench, records, _LAG_SECONDS, _LAG_HOP)
        lags: dict[ClipRecord, list[int]] = {}
        for done, window in enumerate(windows, 1):
            combined = lips.combine([lips.measure(window.clip)])
            if combined is not None and combined.lag is not None:
                lags.setdefault(window.record, []).append(combined.lag)
            say("lags", done, len(windows))
        enough = {record: of_clip for record, of_clip in lags.items() if len(of_clip) >= _FEWEST_LAGS}
        near = [abs(one - np.median(of_clip)) <= 1 for of_clip in enough.values() for one in of_clip]
        people_of = [record.identity for record, of_clip in enough.items() for _ in of_clip]
        figure = estimate(partial(share, np.array(near, bool)), people_of)
        rows.append({"real people": people, "clips": len(enough), "windows": len(near), "within 1 frame": figure})
    return {f"Lag of {_LAG_SECONDS} s windows against the median of their clip": rows}


def _lips(bench: Bench) -> LipsCheck:
    for check in bench.setup.checks:
        if isinstance(check, LipsCheck):
            return check
    raise UsageError("no model of avsync train configs/default.yaml: its lips check has no windows of its own")


def _face_checks(bench: Bench) -> Sequence[Check]:
    """The checks that look at the windows of a face."""
    lips = _lips(bench)
    return next(checks for checks in by_clips(bench.setup.checks).values() if lips in checks)


def _windows(bench: Bench, records: Sequence[ClipRecord], seconds: int, hop: int) -> list[_Window]:
    """Windows that the lips check judges, every `hop` frames, of the longest face of each clip."""
    found, length, lips = [], seconds * FPS, _lips(bench)
    for done, record in enumerate(records, 1):
        face = bench.longest_face(record)
        if face is not None:
            cuts = [face[start : start + length] for start in range(0, len(face) - length + 1, hop)]
            found += [_Window(record, cut) for cut in cuts if _can_judge(lips, cut)][: bench.max_windows]
        say("reading clips", done, len(records))
    return found


def _can_judge(lips: LipsCheck, window: FaceClip) -> bool:
    """Whether there is enough speech, and lips and speech are clear enough for the lips check."""
    try:
        return can_score(window) and lips.combine([lips.measure(window)]) is not None
    except CannotJudge:
        return False


def _swaps(windows: Sequence[_Window]) -> Iterator[_Window]:
    rng = np.random.default_rng(SEED)
    for window in windows:
        others = [other.clip for other in windows if other.record.identity != window.record.identity]
        for index in rng.choice(len(others), min(_SWAPS, len(others)), replace=False):
            heard = others[index]
            yield replace(window, clip=with_speech_of(window.clip, heard))


def _judge(bench: Bench, windows: Sequence[_Window], what: str) -> list[Results]:
    checks, results = _face_checks(bench), []
    for done, window in enumerate(windows, 1):
        results.append(dict(_checked(bench, checks, window.clip)))
        say(what, done, len(windows))
    return results


def _checked(bench: Bench, checks: Sequence[Check], window: FaceClip) -> Iterator[tuple[str, Judged]]:
    for check in checks:
        combined = check.combine([check.measure(window)])
        if combined is not None:
            reference = bench.calibration.references[check.name]
            yield check.name, judge_check(combined, check.readings, check.ranked_by, reference)


def _figures(bench: Bench, windows: Sequence[_Window], results: Sequence[Results], real: int) -> Row:
    """AUCs of windows of which the first `real` are genuine."""
    swapped = np.arange(len(windows)) >= real
    people = [window.record.identity for window in windows]
    agreement = np.array([-judged["lips"].score.readings["agreement"].value for judged in results])
    verdict = np.array([fuse(judged, bench.calibration)[0] for judged in results])
    return {
        "people": len(set(people)),
        "agreement alone": estimate(partial(auc, swapped, agreement), people),
        "verdict": estimate(partial(auc, swapped, verdict), people),
    }
