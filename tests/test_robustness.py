"""Robustness: figures by hand, copies that are made once and deleted, runs that are killed and go on."""

import csv
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import killing
import numpy as np
import pytest
import stand_in
from typer.testing import CliRunner

from avsync.cli import command_line
from avsync.datasets import ClipRecord
from avsync.datasets.roles import role
from avsync.errors import Reason, UsageError
from avsync.evaluate import Settings, print_tables
from avsync.evaluate.manipulations import MANIPULATIONS, of_suite
from avsync.evaluate.manipulations.mixing import SHARES
from avsync.evaluate.protocols.common import Clip
from avsync.evaluate.results import StoredVerdict, describe
from avsync.evaluate.robustness import limited, measure_robustness
from avsync.evaluate.robustness import run as engine
from avsync.evaluate.robustness.figures import Outcome, summarise
from avsync.evaluate.robustness.partners import partners_of
from avsync.evaluate.robustness.summary import SCHEMA, Failure
from avsync.isolation import detector as isolated
from avsync.media import RATE, write_clip
from avsync.media.probe import probe
from avsync.score.verdict import CheckResult, Verdict

SETTINGS = Settings("toy", "ab" * 32, ("lips",), "default", "dlib", 0.05)
MIXES = [one for one in MANIPULATIONS.values() if one.suite == "mixing"]


def record(name, *, fake=False, person=None, method="", folder=Path(), **more):
    kind = "FakeVideo-RealAudio" if fake else "RealVideo-RealAudio"
    label, person = "fake" if fake else "real", person or name
    return ClipRecord(folder / name, name, label, more.pop("type", kind), method or label, person, person, **more)


def verdict(score=None, reason=Reason.NO_FACE):
    """A verdict with a score from 0 to 1, whose p-value is what is left; None: refused."""
    if score is None:
        return Verdict("", "cannot_judge", reason, "no", checks={"lips": CheckResult(reason=reason)})
    word = "suspicious" if 1 - score <= 0.05 else "consistent"
    return Verdict(
        "", word, p_value=1 - score, anomaly_score=score, checks={"lips": CheckResult(score / 2, 1 - score / 2)}
    )


def judged(one, score=None, reason=Reason.NO_FACE):
    return Clip(one, StoredVerdict(describe(one), verdict(score, reason)))


def scores_of(people, fakes):
    """Clips of real people and fakes with these scores."""
    clips = [judged(record(f"r{n}"), score) for n, score in enumerate(people)]
    return clips + [judged(record(f"f{n}", fake=True), score) for n, score in enumerate(fakes)]


class TestFigures:
    BEFORE = scores_of([0.1, 0.3, 0.5, 0.7], [0.6, 0.97])

    def summary(self, *after, failures=(), before=BEFORE):
        outcomes = [Outcome(MANIPULATIONS["reverb"], clips, failures) for clips in after]
        return summarise("quick", SETTINGS, before, outcomes)

    def test_the_first_row_has_the_clips_as_they_are(self):
        row = self.summary().rows[0]
        assert (row.manipulation, row.real.judged, row.fake.judged, row.mean_absolute_drift) == ("as it is", 4, 2, 0.0)
        assert row.auc.value == pytest.approx(7 / 8)
        assert row.false_alarms.value == 0.0

    def test_drift_is_in_standard_deviations_of_the_real_clips_as_they_are(self):
        summary = self.summary(scores_of([0.2, 0.3, 0.4, 0.98], [0.6, 0.97]))
        drift = np.array([0.1, 0.0, -0.1, 0.28]) / np.std([0.1, 0.3, 0.5, 0.7])
        row = summary.rows[1]
        assert summary.deviation == pytest.approx(np.std([0.1, 0.3, 0.5, 0.7]))
        assert row.compared == 4
        assert row.mean_drift == pytest.approx(drift.mean())
        assert row.mean_absolute_drift == pytest.approx(np.abs(drift).mean())
        assert row.percentile_90_absolute_drift == pytest.approx(np.percentile(np.abs(drift), 90))
        assert row.false_alarms.value == 0.25
        assert row.auc.value == pytest.approx(6 / 8)

    def test_refused_copies_have_no_drift_and_are_counted_by_reason(self):
        after = [*scores_of([0.2, None, 0.4], [None, 0.97]), judged(record("r3"), None, Reason.LOW_RESOLUTION)]
        row = self.summary(after).rows[1]
        assert (row.real.judged, row.real.clips, row.fake.judged, row.fake.clips) == (2, 4, 1, 2)
        assert row.refused == {"no_face": 2, "low_resolution": 1}
        assert row.compared == 2

    def test_each_check_has_an_auc_of_its_own(self, capsys):
        summary = self.summary(scores_of([0.2, 0.3], [0.6, None]), scores_of([None], [None]))
        assert summary.rows[1].checks["lips"].value == pytest.approx(1.0)
        assert math.isnan(summary.rows[2].checks["lips"].value)
        print_tables(summary.tables())
        assert "of each check alone" in capsys.readouterr().out

    def test_intervals_are_by_person(self):
        one = [judged(record(f"a{n}", person="a"), 0.99) for n in range(20)]
        two = [judged(record(f"b{n}", person="b"), 0.1) for n in range(20)]
        alarms = self.summary([*one, *two]).rows[1].false_alarms
        assert (alarms.value, alarms.low, alarms.high) == (0.5, 0.0, 1.0)

    def test_fakes_are_compared_with_real_clips_of_their_page(self):
        pages = [("r0", "p", 0.1), ("f0", "p", 0.3), ("r1", "q", 0.5), ("f1", "q", 0.7)]
        clips = [judged(record(name, fake=name[0] == "f", page=page), score) for name, page, score in pages]
        assert self.summary(clips).rows[1].auc.value == pytest.approx(1.0)

    def test_without_fakes_or_without_real_clips_figures_are_unknown(self):
        real_alone = self.summary(scores_of([0.1, 0.2], []), before=scores_of([0.1, 0.2], [])).rows[1]
        assert math.isnan(real_alone.auc.value)
        fakes_alone = self.summary(scores_of([], [0.5]), before=scores_of([], [0.5]))
        assert math.isnan(fakes_alone.rows[1].mean_drift)
        assert math.isnan(fakes_alone.rows[1].false_alarms.value)
        assert json.loads(json.dumps(fakes_alone.to_dict(), allow_nan=False))["deviation"] is None

    def test_tables_csv_and_json_tell_the_same(self, capsys):
        summary = self.summary(
            scores_of([0.2, None, 0.4, 0.98], [0.6, 0.97]), failures=[Failure("r9.mp4", "the file has no sound")]
        )
        print_tables(summary.tables(), summary.notes())
        shown = capsys.readouterr().out
        assert "reverb: 1 clips could not be manipulated: r9.mp4: the file has no sound." in shown
        assert "no_face 1" in shown
        (_, row) = csv.DictReader(StringIO(summary.to_csv()))
        plain = summary.to_dict()
        assert plain["schema"] == SCHEMA
        assert row["manipulation"] == plain["rows"][1]["manipulation"] == "reverb"
        assert float(row["mean_drift"]) == plain["rows"][1]["mean_drift"]
        assert row["real_refused"] == "no_face:1"
        assert row["not_manipulated"] == "1"
        assert plain["rows"][1]["failures"] == [{"clip": "r9.mp4", "why": "the file has no sound"}]


class TestMixing:
    def of(self, curves):
        """The mixing test on clips whose scores at each share, that of the own speech rising, are these."""
        outcomes = [
            Outcome(mix, [judged(record(name), curve[n]) for name, curve in curves.items()], ())
            for n, mix in enumerate(MIXES)
        ]
        (mixing,) = summarise("quick", SETTINGS, scores_of([0.1], []), outcomes).mixing
        return mixing

    def test_a_score_that_falls_with_the_share_of_the_own_speech_is_monotone(self):
        verdict_of, lips = self.of({"a": np.linspace(0.9, 0.1, 10).tolist()}).scores
        assert (verdict_of.score, lips.score) == ("verdict", "lips")
        assert verdict_of.rho.value == pytest.approx(1.0)
        assert verdict_of.monotone.value == lips.monotone.value == 1.0

    def test_the_wrong_way_is_minus_one(self):
        found = self.of({"a": np.linspace(0.1, 0.9, 10).tolist()}).scores[0]
        assert (found.rho.value, found.monotone.value) == (pytest.approx(-1.0), 0.0)

    def test_a_score_that_does_not_move_follows_nothing(self):
        assert self.of({"a": [0.5] * 10}).scores[0].rho.value == 0.0

    def test_one_step_back_is_not_monotone(self):
        curve = np.linspace(0.9, 0.1, 10)
        curve[[4, 5]] = curve[[5, 4]]
        found = self.of({"a": curve.tolist(), "b": np.linspace(0.9, 0.1, 10).tolist()}).scores[0]
        assert found.monotone.value == 0.5
        assert 0.98 < found.rho.value < 1

    def test_a_clip_that_is_refused_at_one_share_is_left_out(self):
        gap = np.linspace(0.9, 0.1, 10).tolist()
        gap[3] = None
        mixing = self.of({"a": gap, "b": np.linspace(0.9, 0.1, 10).tolist()})
        assert (mixing.clips, mixing.scores[0].judged) == (2, 1)
        assert [(share.own, share.judged) for share in mixing.shares][2:5] == [
            (SHARES[2], 2),
            (SHARES[3], 1),
            (SHARES[4], 2),
        ]


class TestLimit:
    RECORDS = (
        *(record(f"r{n}.mp4") for n in range(9)),
        *(record(f"{method}{n}.mp4", fake=True, method=method) for method in "abc" for n in range(5)),
    )

    def test_so_many_of_each_class_and_methods_take_turns(self):
        chosen = limited(self.RECORDS, 4)
        assert [one.label for one in chosen] == ["real"] * 4 + ["fake"] * 4
        assert {one.method for one in chosen[4:]} == {"a", "b", "c"}

    def test_types_take_turns_before_methods(self):
        swaps = tuple(record(f"s{n}.mp4", fake=True, method="swap", type="RealVideo-FakeAudio") for n in range(5))
        chosen = limited((*self.RECORDS, *swaps), 4)[4:]
        assert [one.type for one in chosen].count("RealVideo-FakeAudio") == 2

    def test_the_same_ones_whatever_the_order_and_more_keep_them(self):
        few, more = limited(self.RECORDS, 4), limited(self.RECORDS[::-1], 6)
        assert {one.name for one in few} < {one.name for one in more}
        assert limited(self.RECORDS, 99) == list(self.RECORDS)

    @pytest.mark.parametrize("limit", [0, -1])
    def test_none_is_wrong_usage(self, limit):
        with pytest.raises(UsageError, match="must be at least 1"):
            limited(self.RECORDS, limit)


class TestPartners:
    def test_others_are_judged_real_clips_of_other_people(self):
        records = [record(f"{person}{n}", person=person) for person in "abc" for n in range(2)]
        records.append(record("f", fake=True, person="d"))
        partners = partners_of(records, {one.name for one in records if one.name != "c1"})
        for one in records:
            others = partners.others(MANIPULATIONS["babble 10 dB"], one)
            assert len({other.identity for other in others}) == len(others) == (3 if one.name == "f" else 2)
            assert one.identity not in {other.identity for other in others}
            assert all(other.label == "real" and other.name != "c1" for other in others)
            assert partners.others(MANIPULATIONS["babble 10 dB"], one) == others
            assert len(partners.others(MIXES[0], one)) == 1
            assert partners.others(MANIPULATIONS["half size"], one) == []

    def test_speech_alone_is_mixed_with_copies_that_keep_its_time(self):
        real = record("r", type="RealAudio", page="p", pair="1")
        copy = record("c", fake=True, type="FakeAudio", kind="vocoder", page="p", pair="1")
        spoken = record("t", fake=True, type="FakeAudio", kind="tts", page="p", pair="1")
        partners = partners_of([copy, real, spoken], {"r", "c", "t"})
        mix = MANIPULATIONS["real speech 0.56"]
        assert [one.name for one in (real, copy, spoken) if partners.applies(mix, one)] == ["r"]
        assert partners.others(mix, real) == [copy]
        assert not partners.applies(MIXES[0], real)
        assert not partners.applies(MANIPULATIONS["half size"], real)
        assert partners.applies(MANIPULATIONS["reverb"], real)


class Judge:
    """Scores a file by how loud it is, refuses small pictures, and may be killed at some file."""

    def __init__(self, killed_at=None):
        self.asked = 0
        self._killed_at = killed_at

    def __call__(self, paths):
        for path in paths:
            if self.asked == self._killed_at:
                raise KeyboardInterrupt
            self.asked += 1
            info = probe(path)
            small = info.has_video and info.width < 64
            yield verdict(None, Reason.LOW_RESOLUTION) if small else verdict(0.2 + 0.1 * (path.stat().st_size % 7))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Three real clips and a fake of 64 × 48 and a second, one that is no media file, and one that is missing."""
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    found = [record(f"{name}.mp4", fake=name == "f", folder=folder) for name in ("a", "b", "c", "f")]
    for one in found:
        pictures = rng.integers(0, 255, (10, 48, 64, 3), np.uint8)
        write_clip(one.path, pictures, rng.normal(0, 0.1, RATE).astype(np.float32), fps=10)
    broken, missing = record("broken.mp4", folder=folder), record("missing.mp4", fake=True, folder=folder)
    broken.path.write_bytes(b"?" * 50)
    return [*found, broken, missing]


@pytest.fixture
def few(monkeypatch):
    """Three manipulations and two mixes in place of the suite."""
    wanted = [MANIPULATIONS[name] for name in ("gain -20 dB", "half size", "stretch +10 %")]
    monkeypatch.setattr(engine, "of_suite", lambda suite: wanted)
    monkeypatch.setattr(engine, "mixes", lambda: MIXES)


def measured(records, judge, output, **options):
    before = {
        one.name: StoredVerdict(describe(one), verdict(None if one.name[0] in "bm" and len(one.name) > 6 else 0.3))
        for one in records
    }
    return measure_robustness(records, before, judge, output, settings=SETTINGS, suite="quick", **options)


def kept(output):
    """All that a run keeps, as plain data to compare."""
    lines = {
        path.parent.name: {
            line["name"]: line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        }
        for path in output.glob("robustness/*/verdicts.jsonl")
    }
    return lines, (output / "robustness.csv").read_text(), (output / "robustness.json").read_text()


def assert_same(one, other):
    (lines, *files), (other_lines, *other_files) = kept(one), kept(other)
    for manipulation, verdicts in lines.items():
        for name, line in verdicts.items():
            assert line == other_lines[manipulation][name]
    assert lines.keys() == other_lines.keys()
    assert files == other_files


@pytest.mark.usefixtures("few")
class TestRun:
    def test_every_clip_is_judged_and_copies_are_deleted(self, records, tmp_path):
        told = []
        summary = measured(records, Judge(), tmp_path, on_progress=lambda *now: told.append(now))
        gain, half, _ = summary.rows[1:]
        assert (gain.real.clips, gain.real.judged, gain.fake.clips) == (3, 3, 1)
        assert (half.real.clips, half.real.judged, half.refused) == (3, 0, {"low_resolution": 4})
        assert [one.clips for one in summary.mixing] == [3]
        assert told[0] == (0, 3 * 6 + 10 * 4)
        assert told[-1] == (58, 58)
        assert not (tmp_path / "robustness/copies").exists()
        assert {path.name for path in tmp_path.iterdir()} == {"robustness", "robustness.csv", "robustness.json"}

    def test_clips_that_cannot_be_manipulated_are_counted_and_named(self, records, tmp_path):
        summary = measured(records, Judge(), tmp_path)
        failures = {failure.clip: failure.why for failure in summary.rows[1].failures}
        assert list(failures) == ["broken.mp4", "missing.mp4"]
        assert failures["missing.mp4"] == "no such file or directory"
        assert failures["broken.mp4"].startswith("not a readable media file")
        assert [failure.clip for failure in summary.mixing[0].failures] == ["broken.mp4"]

    def test_copies_are_kept_if_asked_for_and_used_again(self, records, tmp_path):
        measured(records, Judge(), tmp_path, keep_copies=True)
        files = [path for path in (tmp_path / "robustness/copies").rglob("*") if path.is_file()]
        copies = {path: path.stat().st_mtime_ns for path in files}
        assert len(copies) == 3 * 4 + 10 * 3
        (tmp_path / "robustness/half_size/verdicts.jsonl").unlink()
        judge = Judge()
        measured(records, judge, tmp_path, keep_copies=True)
        assert judge.asked == 4
        assert {path: path.stat().st_mtime_ns for path in copies} == copies

    def test_verdicts_name_the_copy_from_the_folder_on(self, records, tmp_path):
        measured(records, Judge(), tmp_path, keep_copies=True)
        for lines in kept(tmp_path)[0].values():
            assert all((tmp_path / line["verdict"]["path"]).is_file() for line in lines.values())

    @pytest.mark.parametrize("killed_at", [0, 3, 17, 40])
    def test_a_killed_run_goes_on_and_ends_the_same(self, records, tmp_path, killed_at):
        measured(records, Judge(), tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            measured(records, Judge(killed_at), tmp_path / "killed")
        again = Judge()
        measured(records, again, tmp_path / "killed")
        assert_same(tmp_path / "killed", tmp_path / "whole")
        assert again.asked == 42 - killed_at

    def test_run_again_it_judges_nothing_but_tells_the_same(self, records, tmp_path):
        first, judge = measured(records, Judge(), tmp_path), Judge()
        assert measured(records, judge, tmp_path).to_dict() == first.to_dict()
        assert judge.asked == 0

    def test_another_recipe_is_judged_again(self, records, tmp_path, monkeypatch):
        measured(records, Judge(), tmp_path)
        monkeypatch.setattr(engine, "RECIPES", 2)
        judge = Judge()
        measured(records, judge, tmp_path)
        assert judge.asked == 42

    def test_copies_are_the_same_with_more_workers(self, records, tmp_path):
        measured(records[:2], Judge(), tmp_path / "one")
        measured(records[:2], Judge(), tmp_path / "two", jobs=2)
        assert_same(tmp_path / "one", tmp_path / "two")

    def test_results_of_other_settings_are_refused(self, records, tmp_path):
        measured(records[:1], Judge(), tmp_path)
        with pytest.raises(UsageError, match="other settings"):
            measure_robustness(records[:1], {}, Judge(), tmp_path, settings=replace(SETTINGS, level=0.1), suite="quick")

    def test_no_more_than_a_batch_of_copies_is_on_the_disk(self, records, tmp_path):
        most = []

        def judge(paths):
            most.append(sum(path.is_file() for path in (tmp_path / "robustness/copies").rglob("*")))
            return Judge()(paths)

        measured(records, judge, tmp_path)
        assert 1 < max(most) <= 16


def tree(root, clips):
    """A FakeAVCeleb tree of people who report: one real and one fake clip each, written by `clips`."""
    people = [name for name in (f"id{n:05}" for n in range(40)) if role(name) == "report"][:2]
    rows = ["source,target1,target2,method,category,type,race,gender,path,"]
    for person in people:
        for kind, method, name in (("RealVideo-RealAudio", "real", "r"), ("FakeVideo-RealAudio", "lips", "dubbed")):
            folder = f"{kind}/U/U/{person}"
            (root / "FakeAVCeleb" / folder).mkdir(parents=True)
            clips(root / "FakeAVCeleb" / folder / f"{name}.mp4")
            rows.append(f"{person},-,-,{method},A,{kind},U,U,{name}.mp4,FakeAVCeleb/{folder}")
    (root / "FakeAVCeleb" / "meta_data.csv").write_text("\n".join(rows))
    return root / "FakeAVCeleb"


def run(*words):
    return CliRunner().invoke(command_line, [str(word) for word in ("evaluate", *words)])


class TestCommandLine:
    @pytest.fixture
    def root(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "avsync.detector", stand_in)
        monkeypatch.setattr(isolated, "FACTORY", "stand_in:Detector")
        return tree(tmp_path, lambda path: path.write_bytes(b"?"))

    def test_it_prints_and_writes_its_table_beside_that_of_the_protocol(self, root, tmp_path, few):
        result = run(root, "--robustness", "quick", "--limit", "1", "--output", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert "Judged 1 of 1 real clips" in result.stdout
        assert "gain -20 dB: 2 clips could not be manipulated: FakeVideo-RealAudio/U/U" in result.stdout
        assert json.loads((tmp_path / "out/robustness.json").read_text())["suite"] == "quick"
        assert json.loads((tmp_path / "out/summary.json").read_text())["protocol"] == "clips"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--limit", "0"), "--limit 0: must be at least 1"),
            (("--keep-copies",), "--keep-copies goes with --robustness"),
            (("--robustness", "quick", "--jobs", "0"), "--jobs 0: must be at least 1"),
            (("--robustness", "quick", "--features", "."), "leave it out with --robustness"),
        ],
    )
    def test_wrong_options_are_refused_in_one_line_before_any_work(self, root, tmp_path, words, said):
        result = run(root, *words, "--output", tmp_path / "out")
        assert isinstance(result.exception, UsageError)
        assert said in str(result.exception)
        assert "\n" not in str(result.exception)
        assert not (tmp_path / "out").exists()

    def test_help_tells_how_many_manipulations_there_are(self):
        told = " ".join(run("--help").output.split())
        assert f"quick: {len(of_suite('quick'))} manipulations, full: {len(of_suite('full'))}" in told

    def test_an_unknown_suite_is_wrong_usage(self, root):
        assert run(root, "--robustness", "some").exit_code == 2


_MAIN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import stand_in
sys.modules["avsync.detector"] = stand_in
from avsync.isolation import detector
detector.FACTORY = "stand_in:Detector"
from avsync.cli import main
if __name__ == "__main__":
    main()
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are found in /proc")
def test_a_process_that_is_killed_leaves_nothing_and_goes_on(tmp_path):
    rng = np.random.default_rng(0)

    def clip(path):
        write_clip(path, rng.integers(0, 255, (5, 48, 64, 3), np.uint8), rng.normal(0, 0.1, RATE).astype(np.float32))

    root, script = tree(tmp_path, clip), tmp_path / "main.py"
    script.write_text(_MAIN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(output):
        words = [sys.executable, script, "evaluate", root, "--robustness", "quick", "--jobs", "2", "--output", output]
        return subprocess.Popen(
            [str(word) for word in words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    whole, killed = start(tmp_path / "whole"), start(tmp_path / "killed")
    until = time.monotonic() + 120
    while time.monotonic() < until and killed.poll() is None and lines(tmp_path / "killed") < 20:
        time.sleep(0.05)
    started = killing.descendants(killed.pid)
    killed.kill()
    assert killed.wait() == -9
    assert 20 <= lines(tmp_path / "killed") < 22 * 4 + 10 * 2
    until = time.monotonic() + 20
    while time.monotonic() < until and any(map(killing.alive, started)):
        time.sleep(0.1)
    assert [pid for pid in started if killing.alive(pid)] == []
    again = start(tmp_path / "killed")
    for process in (whole, again):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert_same(tmp_path / "killed", tmp_path / "whole")
    assert killing.leftovers(tmp_path / "killed") == []
    assert not (tmp_path / "killed/robustness/copies").exists()


def lines(output):
    """How many verdicts on copies there are."""
    return sum(path.read_bytes().count(b"\n") for path in output.glob("robustness/*/verdicts.jsonl"))
