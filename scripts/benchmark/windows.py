"""Sections a and b: windows of real clips, heard with their own sound and with that of other people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from avsync.clip import FaceClip
from avsync.datasets import ClipRecord
from avsync.evaluate.metrics import auc, estimate, share
from avsync.media import FPS
from avsync.score.evidence import Evidence, gather
from avsync.score.judge import judge_track
from avsync.score.readings import lag_of
from avsync.score.windows import MIN_SPEECH
from benchmark.bench import LEVEL, SEED, Bench
from benchmark.report import Row, Tables, say

_SECONDS = (3, 5)
_SWAPS = 6  # windows of other people whose sound each window is heard with
_LAG_SECONDS, _LAG_HOP = 3, FPS // 2
# With fewer windows, a clip's median lag is hardly more than the lag of each.
_FEWEST_LAGS = 3


@dataclass(frozen=True, slots=True)
class _Window:
    record: ClipRecord
    clip: FaceClip


def swapped_audio(bench: Bench) -> Tables:
    """Windows of real clips against the same lips with other people's speech: ROC AUC, intervals by person seen."""
    rows = []
    for seconds in _SECONDS:
        hop = seconds * FPS // 2
        real = _windows(bench, bench.held_out, seconds, hop)
        tree = [record for record in bench.fakes if record.method == "audio-swap"]
        kinds = {
            f"{_SWAPS} other people's speech each": list(_swaps(real)),
            "audio-swap clips of the data set": _windows(bench, tree, seconds, hop),
        }
        genuine = _gather(bench, real, f"real windows of {seconds} s")
        for kind, swapped in kinds.items():
            evidence = [*genuine, *_gather(bench, swapped, f"swapped windows of {seconds} s")]
            row: Row = {"windows": f"{seconds} s", "swapped": kind, "n real": len(real), "n swapped": len(swapped)}
            rows.append(row | _figures(bench, [*real, *swapped], evidence, len(real)))
    return {"Swapped audio, ROC AUC": rows}


def lag(bench: Bench) -> Tables:
    """How often the lag of a 3 s window is within one frame of the median lag of its clip's windows."""
    rows: list[Row] = []
    for people, records in (
        ("not used for calibration", bench.held_out),
        ("all", [*bench.held_out, *bench.calibrating]),
    ):
        windows = _windows(bench, records, _LAG_SECONDS, _LAG_HOP)
        lags: dict[ClipRecord, list[int]] = {}
        for window, evidence in zip(windows, _gather(bench, windows, "lags"), strict=True):
            lags.setdefault(window.record, []).append(lag_of(evidence.curve))
        enough = {record: of_clip for record, of_clip in lags.items() if len(of_clip) >= _FEWEST_LAGS}
        near = [abs(one - np.median(of_clip)) <= 1 for of_clip in enough.values() for one in of_clip]
        whose = [record.identity for record, of_clip in enough.items() for _ in of_clip]
        figure = estimate(partial(share, np.array(near, bool)), whose)
        rows.append({"real people": people, "clips": len(enough), "windows": len(near), "within 1 frame": figure})
    return {f"Lag of {_LAG_SECONDS} s windows against the median of their clip": rows}


def _windows(bench: Bench, records: Sequence[ClipRecord], seconds: int, hop: int) -> list[_Window]:
    """Windows with speech, every `hop` frames, of the longest face of each clip."""
    found, length = [], seconds * FPS
    for done, record in enumerate(records, 1):
        face = bench.longest_face(record.path)
        if face is not None:
            cuts = [face[start : start + length] for start in range(0, len(face) - length + 1, hop)]
            found += [_Window(record, cut) for cut in cuts if cut.speech.sum() >= MIN_SPEECH][: bench.most]
        say("reading clips", done, len(records))
    return found


def _swaps(windows: Sequence[_Window]) -> Iterator[_Window]:
    rng = np.random.default_rng(SEED)
    for window in windows:
        others = [other.clip for other in windows if other.record.identity != window.record.identity]
        for index in rng.choice(len(others), min(_SWAPS, len(others)), replace=False):
            heard = others[index]
            yield replace(window, clip=replace(window.clip, waveform=heard.waveform, speech=heard.speech))


def _gather(bench: Bench, windows: Sequence[_Window], what: str) -> list[Evidence]:
    evidence = []
    for done, window in enumerate(windows, 1):
        evidence.append(gather(bench.model, window.clip))
        say(what, done, len(windows))
    return evidence


def _figures(bench: Bench, windows: Sequence[_Window], evidence: Sequence[Evidence], real: int) -> Row:
    """AUCs of windows of which the first `real` are genuine."""
    swapped = np.arange(len(windows)) >= real
    people = [window.record.identity for window in windows]
    apart = np.array([-e.readings["agreement"] for e in evidence])
    odd = np.array([judge_track(0, [e], bench.reference, LEVEL).oddness for e in evidence])
    return {
        "people": len(set(people)),
        "agreement alone": estimate(partial(auc, swapped, apart), people),
        "oddness": estimate(partial(auc, swapped, odd), people),
    }
