"""The benchmarks on made-up verdicts and tiny clips: shares at a level, kinds of fakes, and degraded clips."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

from avsync.datasets import ClipRecord
from avsync.errors import Reason
from avsync.evaluate import to_markdown
from avsync.media import RATE, frames, write_clip
from avsync.score.verdict import CheckResult, Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark.folds
import benchmark_degraded
from benchmark.fakes import level_tables
from benchmark.levels import found, reliability

CHECKS = ("lips", "face")


def verdict(p=None, **checks):
    """A verdict with a p-value, and with one for each check given; without a p-value the clip is refused."""
    judged = {name: CheckResult(p_value=checks.get(name)) for name in CHECKS}
    if p is None:
        return Verdict("a.mp4", "cannot_judge", reason=Reason.NO_FACE, checks=judged)
    return Verdict("a.mp4", "suspicious" if p <= 0.05 else "consistent", p_value=p, anomaly_score=1 - p, checks=judged)


def people(verdicts):
    return [(f"id{number}", verdict) for number, verdict in enumerate(verdicts)]


class TestReliability:
    def test_counts_p_values_at_or_below_each_level(self):
        clips = people(verdict(p) for p in (0.01, 0.05, 0.0501, 0.2, 0.9))
        row = reliability(clips, ())[0]
        assert (row["p-value of"], row["clips"], row["people"]) == ("verdict", 5, 5)
        shares = {name: cell.value for name, cell in row.items() if name.startswith("p ≤")}
        assert shares == {"p ≤ 0.01": 0.2, "p ≤ 0.02": 0.2, "p ≤ 0.05": 0.4, "p ≤ 0.1": 0.6, "p ≤ 0.2": 0.8}

    def test_each_check_has_the_clips_that_it_scored(self):
        rows = reliability(people([verdict(0.5, lips=0.01), verdict(0.5, lips=0.5, face=0.04), verdict()]), CHECKS)
        assert [(row["p-value of"], row["clips"]) for row in rows] == [("verdict", 2), ("lips", 2), ("face", 1)]
        assert [row["p ≤ 0.05"].value for row in rows] == [0.0, 0.5, 1.0]

    def test_intervals_are_by_person(self):
        clips = [("a", verdict(0.01))] * 50 + [("b", verdict(0.9))] * 50
        row = reliability(clips, ())[0]
        assert row["people"] == 2
        assert (row["p ≤ 0.01"].low, row["p ≤ 0.01"].high) == (0.0, 1.0)

    def test_without_a_p_value_the_share_is_unknown(self):
        assert "| face | 0 | 0 | – |" in to_markdown({"": reliability(people([verdict(0.5, lips=0.5)]), CHECKS)})


class TestFound:
    def test_all_shares_of_a_row_are_of_the_clips_with_a_verdict(self):
        clips = people(
            [verdict(0.04, lips=0.5, face=0.01), verdict(0.5, lips=0.05), verdict(0.5, face=0.06), verdict()]
        )
        (row,) = found({"fakes": clips}, CHECKS, 0.05)
        assert row["judged"] == "3/4"
        assert [row[name].value for name in ("verdict", *CHECKS)] == pytest.approx([1 / 3, 1 / 3, 1 / 3])

    def test_kinds_of_fakes_are_told_apart(self):
        kinds = [
            ("real", "RealVideo-RealAudio", "real"),
            ("fake", "FakeVideo-RealAudio", "Wav2Lip"),
            ("fake", "FakeVideo-FakeAudio", "OmniTalker"),
            ("fake", "RealVideo-FakeAudio", "MTL"),
            ("fake", "RealVideo-FakeAudio", "audio-swap"),
        ]
        records = [
            ClipRecord(Path(f"{n}.mp4"), f"{n}.mp4", label, kind, method, f"id{n}", f"id{n}")
            for n, (label, kind, method) in enumerate(kinds)
        ]
        p_values = [verdict(0.5), verdict(0.01), verdict(0.5), verdict(0.5), verdict(0.02)]
        verdicts = {record.name: one for record, one in zip(records, p_values, strict=True)}
        by_kind, real = level_tables(records, verdicts, ()).values()
        assert [(row["judged"], row["verdict"].value) for row in by_kind] == [
            ("2/2", 0.5),
            ("1/1", 0.0),
            ("1/1", 1.0),
            ("1/1", 0.0),
        ]
        assert real[0]["clips"] == 1


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A second of a moving square of 64 × 48, and a tone that rises."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    pictures = np.full((25, 48, 64, 3), (90, 120, 60), np.uint8)
    for index, picture in enumerate(pictures):
        picture[10:30, index : index + 20] = (230, 180, 140)
    seconds = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 900 * seconds) * seconds)
    write_clip(path, pictures, tone.astype(np.float32))
    return path


def seen(path):
    return np.stack([frame.image for frame in frames(path)]).astype(float)


class TestDegradedTable:
    def test_a_row_has_levels_checks_and_reasons(self):
        clips = people([verdict(0.04, lips=0.03, face=0.5), verdict(0.5, lips=0.5), verdict()])
        assert benchmark_degraded.heading(CHECKS).startswith(
            "| step | judged | p ≤ 0.01 | p ≤ 0.05 | p ≤ 0.1 | p ≤ 0.2 |"
        )
        row = benchmark_degraded.row("half size", clips, CHECKS)
        assert row.startswith("| half size | 2 | 0% (0%–0%) | 50% (0%–100%) |")
        assert row.endswith("| 50% (0%–100%) | 0% (0%–0%) | no_face 1 |")

    def test_a_step_that_refuses_everything_has_no_share(self):
        assert benchmark_degraded.row("as it is", people([verdict()]), CHECKS).count("| – ") == 6

    def test_each_step_yields_the_verdicts_in_the_order_of_the_clips(self, clip, monkeypatch):
        class Reads:
            def score(self, path):
                return verdict(0.5 if len(seen(path)[0]) == 48 else 0.01)

        monkeypatch.setattr(benchmark_degraded, "_detector", lambda weights: Reads())
        clips = [ClipRecord(clip, n, "real", "RealVideo-RealAudio", "real", n, n) for n in ("a", "b")]
        options = argparse.Namespace(only="as it is,half", jobs=1)
        found = [
            (name, [(person, one.p_value) for person, one in judged])
            for name, judged in benchmark_degraded.measured([(clip, None) for clip in clips], options)
        ]
        assert found == [("as it is", [("a", 0.5), ("b", 0.5)]), ("half size", [("a", 0.01), ("b", 0.01)])]


class TestFolds:
    def test_every_person_is_judged_once_by_a_calibration_of_all_others(self, tmp_path, monkeypatch):
        saw = {}
        monkeypatch.setattr(benchmark.folds, "load_setup", lambda weights, calibrating: None)
        monkeypatch.setattr(
            benchmark.folds, "calibrate", lambda records, setup, path: saw.update({path: {r.identity for r in records}})
        )
        clips = [
            ClipRecord(Path(f"{n}.mp4"), f"{n}", "real", "RealVideo-RealAudio", "real", f"s{n // 2}", f"s{n // 2}")
            for n in range(40)
        ]
        folds = list(benchmark.folds.calibrated_folds(clips, 4, tmp_path))
        judged = {
            path: {c.identity for c in clips if benchmark.folds.fold_of(c.identity, 4) == n}
            for n, path in enumerate(folds)
        }
        assert sum(map(len, judged.values())) == 20
        assert all(judged[path] | saw[path] == {f"s{n}" for n in range(20)} for path in folds)
        assert all(judged[path].isdisjoint(saw[path]) for path in folds)
