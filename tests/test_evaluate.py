"""Evaluation: metrics that equal scikit-learn's, intervals that cover, verdicts that survive a kill."""

import csv
import json
import math
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from avsync.datasets import ClipRecord, role, with_role
from avsync.errors import Reason, UsageError
from avsync.evaluate import PROTOCOLS, Settings, evaluate, print_tables, to_markdown
from avsync.evaluate.metrics import (
    Estimate,
    auc,
    average_precision,
    balanced_average_precision,
    equal_error_rate,
    estimate,
    share,
)
from avsync.evaluate.protocols.clips import summarise
from avsync.evaluate.results import StoredVerdict, VerdictFile, describe
from avsync.score.verdict import CheckResult, ReadingValue, Segment, TrackVerdict, Verdict, WindowResult

SETTINGS = Settings(
    model="toy", weights_sha256="ab" * 32, checks=("lips", "face"), trim="default", faces="dlib", level=0.05
)
REAL, LIPS, VOICE, BOTH = "RealVideo-RealAudio", "FakeVideo-RealAudio", "RealVideo-FakeAudio", "FakeVideo-FakeAudio"


def sklearn_eer(fake, score, sample_weight):
    alarm, hit, _ = roc_curve(fake, score, sample_weight=sample_weight, drop_intermediate=False)
    return brentq(lambda x: 1 - x - interp1d(alarm, hit)(x), 0, 1)


def sklearn_balanced_ap(fake, score, sample_weight):
    even = np.where(fake, sample_weight / sample_weight[fake].sum(), sample_weight / sample_weight[~fake].sum())
    return average_precision_score(fake, score, sample_weight=even)


class TestMetrics:
    @pytest.mark.parametrize("decimals", [1, 8], ids=["ties", "no ties"])
    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (auc, roc_auc_score),
            (average_precision, average_precision_score),
            (balanced_average_precision, sklearn_balanced_ap),
            (equal_error_rate, sklearn_eer),
        ],
    )
    def test_equal_sklearn_for_every_draw(self, ours, theirs, decimals):
        rng = np.random.default_rng(0)
        fake = rng.random(60) < 0.7
        score = rng.normal(fake * 0.8).round(decimals)
        weight = rng.integers(0, 4, (20, 60)).astype(float)
        # scikit-learn's own edge case: clips of weight 0 are left out for it.
        expected = [theirs(fake[w > 0], score[w > 0], sample_weight=w[w > 0]) for w in weight]
        assert ours(fake, score, weight) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("metric", [auc, average_precision, balanced_average_precision, equal_error_rate])
    @pytest.mark.parametrize("fake", [[True, True], [False, False]])
    def test_one_class_alone_has_no_figure(self, metric, fake):
        result = estimate(partial(metric, np.array(fake), np.array([1.0, 2.0])), ["a", "b"])
        assert math.isnan(result.value)
        assert math.isnan(result.low)

    def test_infinite_scores_rank_last(self):
        fake, score = np.array([True, False, True]), np.array([math.inf, 1.0, math.inf])
        assert auc(fake, score, np.ones((1, 3))) == [1.0]

    def test_no_clip_has_no_figure(self):
        assert math.isnan(estimate(partial(share, np.zeros(0, bool)), []).value)


class TestInterval:
    def test_covers_the_truth_when_clips_of_a_person_are_alike(self):
        rng = np.random.default_rng(1)
        fake = np.tile([True, False], 80)
        people = [str(index // 4) for index in range(160)]
        covered = 0
        for _ in range(60):
            person = np.repeat(rng.normal(size=40), 4)
            score = np.where(fake, 1.0, 0.0) + person + rng.normal(size=160)
            result = estimate(partial(auc, fake, score), people, draws=300)
            covered += result.low <= 0.6915 <= result.high  # Φ(1 / √(2 + 2))
        assert covered >= 51  # of 60; 57 expected

    def test_copies_of_a_clip_add_no_certainty(self):
        rng = np.random.default_rng(2)
        fake, score = np.tile([True, False], 20), rng.normal(size=40)
        people = [f"{index:02d}" for index in range(40)]
        once = estimate(partial(auc, fake, score), people)
        copies = estimate(partial(auc, np.tile(fake, 9), np.tile(score, 9)), people * 9)
        assert (copies.low, copies.high) == pytest.approx((once.low, once.high))

    def test_same_seed_same_interval_whatever_the_batches(self, monkeypatch):
        rng = np.random.default_rng(3)
        metric = partial(auc, np.tile([True, False], 20), rng.normal(size=40))
        people = [str(index % 13) for index in range(40)]
        whole = estimate(metric, people)
        monkeypatch.setattr("avsync.evaluate.metrics._BATCH", 100)
        assert estimate(metric, people) == whole

    def test_share(self):
        result = estimate(partial(share, np.array([True, False, False, False])), list("abcd"))
        assert (result.value, result.low) == (0.25, 0.0)
        assert 0.5 <= result.high <= 1.0


class ToyJudge:
    """Judges by the file's name, and remembers what it was asked; may be "killed" at one clip."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.asked: list[tuple[Path, Path | None]] = []
        self._killed_at = killed_at

    def __call__(self, path: Path, *, audio: Path | None = None) -> Verdict:
        if len(self.asked) == self._killed_at:
            raise KeyboardInterrupt
        self.asked.append((path, audio))
        return toy_verdict(path)


def toy_verdict(path: Path) -> Verdict:
    if "noface" in path.name:
        checks = {"lips": CheckResult(reason=Reason.NO_FACE), "face": CheckResult(reason=Reason.NO_FACE)}
        return Verdict(str(path), "cannot_judge", Reason.NO_FACE, "no face\nfound", checks=checks)
    p_value = float(path.stem.rpartition("p")[2])
    return Verdict(
        path=str(path),
        verdict="suspicious" if p_value <= 0.05 else "consistent",
        p_value=p_value,
        anomaly_score=1 - p_value,
        duration=2.0,
        leading_silence=0.5 if VOICE in str(path) else 0.0,
        checks={"lips": CheckResult(1 - p_value, p_value), "face": CheckResult(p_value, 1 - p_value)},
    )


def full_verdict() -> Verdict:
    """One with something in every field."""
    reading = {"agreement": ReadingValue(1.5, 20.0, 0.4)}
    check = CheckResult(0.7, 0.2, reading, [WindowResult(0.0, 3.0, 0.7, 0.2, 1)])
    track = TrackVerdict(1, 0.0, 3.0, (1, 2, 30, 40), 2.5, 40.0, {}, 0.7, 0.2, [Segment(0.0, 3.0, 0.01)])
    return replace(
        toy_verdict(Path("a_p0.2")), decisive_track=1, tracks=[track], checks={"lips": check}, warnings=["w"]
    )


def record(root: Path, kind: str, method: str, identity: str, name: str) -> ClipRecord:
    name = f"{kind}/{identity}/{name}.mp4"
    return ClipRecord(root / name, name, "real" if kind == REAL else "fake", kind, method, identity, identity)


@pytest.fixture
def records(tmp_path) -> list[ClipRecord]:
    """Five real clips and seven fakes of four people; of each class one clip is refused, and one fake is missing."""
    root = tmp_path / "data"
    clips = [
        record(root, REAL, "real", "id1", "a_p0.9"),
        record(root, REAL, "real", "id2", "b_p0.5"),
        record(root, REAL, "real", "id3", "c_p0.2"),
        record(root, REAL, "real", "id4", "d_p0.04"),
        record(root, REAL, "real", "id4", "e_noface"),
        record(root, LIPS, "Wav2Lip", "id1", "f_p0.01"),
        record(root, LIPS, "Wav2Lip", "id2", "g_p0.3"),
        record(root, LIPS, "SadTalker", "id3", "h_noface"),
        record(root, VOICE, "rtvc", "id1", "i_p0.001"),
        record(root, VOICE, "rtvc", "id2", "j_p0.002"),
        record(root, VOICE, "rtvc", "id3", "k_p0.003"),
        record(root, VOICE, "rtvc", "id4", "missing_p0.5"),
    ]
    for clip in clips[:-1]:
        clip.path.parent.mkdir(parents=True, exist_ok=True)
        clip.path.write_bytes(b"?")
    return clips


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]


def table(out: Path) -> list[dict[str, str]]:
    with (out / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def figures(records: list[ClipRecord], **changed: Verdict):
    """The summary of toy verdicts, some of them changed, without any file."""
    verdicts = {r.name: toy_verdict(r.path) for r in records if "missing" not in r.name}
    known = [r for r in records if r.name in verdicts]
    return summarise(known, {n: StoredVerdict({}, v) for n, v in (verdicts | changed).items()}, SETTINGS)


class TestVerdictFile:
    def test_a_verdict_comes_back_as_it_was(self, records, tmp_path):
        store = VerdictFile(tmp_path / "out", SETTINGS)
        stored = StoredVerdict(describe(records[0]), full_verdict())
        with store.appending() as add:
            add(stored)
        assert store.read() == {records[0].name: stored}

    def test_the_line_says_which_clip_it_is(self, records, tmp_path):
        evaluate([replace(records[5], split="test")], ToyJudge(), tmp_path / "out", settings=SETTINGS)
        (line,) = lines(tmp_path / "out")
        assert line.pop("verdict")["schema"] == "avsync.verdict/2"
        assert line == {
            "name": records[5].name,
            "bytes": 1,
            "label": "fake",
            "type": LIPS,
            "method": "Wav2Lip",
            "identity": "id1",
            "split": "test",
        }

    def test_a_number_that_is_not_finite_becomes_null(self, records, tmp_path):
        store = VerdictFile(tmp_path / "out", SETTINGS)
        with store.appending() as add:
            add(StoredVerdict(describe(records[0]), replace(full_verdict(), leading_silence=math.nan)))
        assert "NaN" not in (tmp_path / "out" / "verdicts.jsonl").read_text()
        assert store.read()[records[0].name].verdict.leading_silence is None

    def test_a_name_that_is_no_unicode_survives(self, tmp_path):
        name = b"caf\xe9_p0.2.mp4".decode("utf-8", "surrogateescape")
        odd = ClipRecord(tmp_path / name, name, "real", REAL, "real", "id1", "id1")
        try:
            odd.path.write_bytes(b"?")
        except OSError:
            pytest.skip("this file system has Unicode names only")
        evaluate([odd], ToyJudge(), tmp_path / "out", settings=SETTINGS)
        assert list(VerdictFile(tmp_path / "out", SETTINGS).read()) == [name]

    def test_files_cut_off_anywhere_lose_the_last_line_only(self, records, tmp_path):
        store = VerdictFile(tmp_path / "out", SETTINGS)
        long = replace(full_verdict(), detail="x" * 200_000)
        with store.appending() as add:
            add(StoredVerdict(describe(records[0]), full_verdict()))
            add(StoredVerdict(describe(records[1]), long))
        path = tmp_path / "out" / "verdicts.jsonl"
        path.write_bytes(path.read_bytes()[:-10])
        assert list(VerdictFile(tmp_path / "out", SETTINGS).read()) == [records[0].name]

    @pytest.mark.parametrize("line", ["{}", "[]", "text", '{"name": "a", "verdict": {"schema": "avsync.verdict/1"}}'])
    def test_a_line_of_another_version_is_refused(self, records, tmp_path, line):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        with (tmp_path / "out" / "verdicts.jsonl").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(UsageError, match=r"verdicts\.jsonl, line 13"):
            evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("weights_sha256", "cd" * 32),
            ("calibration_sha256", "cd" * 32),
            ("trim", "paper"),
            ("level", 0.01),
            ("checks", ("lips",)),
            ("faces", "other"),
        ],
    )
    def test_other_settings_do_not_mix(self, records, tmp_path, name, value):
        out = tmp_path / "out"
        evaluate(records, ToyJudge(), out, settings=SETTINGS)
        with pytest.raises(UsageError, match=rf"{out} holds results of other settings \(changed: {name}\)"):
            evaluate(records, ToyJudge(), out, settings=replace(SETTINGS, **{name: value}))

    def test_a_folder_of_something_else_is_refused(self, records, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(UsageError, match="cannot be written"):
            evaluate(records, ToyJudge(), tmp_path / "file", settings=SETTINGS)
        (tmp_path / "clips.csv").write_text("name,score\n")
        with pytest.raises(UsageError, match="unknown settings"):
            evaluate(records, ToyJudge(), tmp_path, settings=SETTINGS)
        assert (tmp_path / "clips.csv").read_text() == "name,score\n"


class TestEvaluate:
    def test_one_line_for_each_clip(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        assert [line["name"] for line in lines(tmp_path / "out")] == [clip.name for clip in records]

    def test_the_table_has_the_scores_of_every_check(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        rows = table(tmp_path / "out")
        assert [row["name"] for row in rows] == [clip.name for clip in records]
        assert (rows[0]["verdict"], rows[0]["p_value"], rows[0]["reason"]) == ("consistent", "0.9", "")
        assert float(rows[0]["anomaly_score"]) == 1 - 0.9
        assert (rows[0]["lips_p_value"], rows[0]["face_anomaly_score"]) == ("0.9", "0.9")
        assert (rows[4]["reason"], rows[4]["detail"], rows[4]["face_p_value"]) == ("no_face", "no face found", "")

    def test_a_missing_file_is_refused_not_dropped(self, records, tmp_path):
        judge = ToyJudge()
        summary = evaluate(records, judge, tmp_path / "out", settings=SETTINGS)
        assert records[-1].path not in [path for path, _ in judge.asked]
        assert lines(tmp_path / "out")[-1]["verdict"]["detail"] == "the file is missing"
        assert summary.fake.refused == {"no_face": 1, "unreadable": 1}

    def test_sound_beside_the_video_is_judged_with_it(self, records, tmp_path):
        audio, judge = tmp_path / "sound.m4a", ToyJudge()
        audio.write_bytes(b"???")
        evaluate([replace(records[0], audio=audio)], judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == [(records[0].path, audio)]
        assert lines(tmp_path / "out")[0]["bytes"] == 4

    def test_the_summary_is_saved(self, records, tmp_path):
        summary = evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        saved = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert saved == json.loads(json.dumps(summary.to_dict()))
        assert (saved["schema"], saved["protocol"]) == ("avsync.evaluation/2", "clips")
        assert saved["settings"]["weights_sha256"] == SETTINGS.weights_sha256
        assert saved["methods"][0]["auc"] == {"value": None, "low": None, "high": None}
        assert saved["overall"]["checks"]["lips"]["value"] == saved["overall"]["auc"]["value"]

    def test_progress_is_reported(self, records, tmp_path):
        seen: list[tuple[int, int]] = []
        report = lambda *counts: seen.append(counts)  # noqa: E731
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS, on_progress=report)
        assert seen == [(done, 12) for done in range(13)]

    def test_nothing_to_evaluate(self, tmp_path):
        with pytest.raises(UsageError, match="no clip"):
            evaluate([], ToyJudge(), tmp_path / "out", settings=SETTINGS)


class TestProtocols:
    def test_a_protocol_is_a_line_of_the_registry(self, records, tmp_path, monkeypatch):
        class Count:
            def __init__(self, clips, results, settings):
                self.count = sum(results[clip.name].verdict.p_value is not None for clip in clips)
                self.level = settings.level

            def to_dict(self):
                return {"schema": "toy/1", "protocol": "count", "count": self.count, "level": self.level}

            def tables(self):
                return {}

            def notes(self):
                return []

        monkeypatch.setitem(PROTOCOLS, "count", Count)
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS, protocol="count")
        saved = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert saved == {"schema": "toy/1", "protocol": "count", "count": 9, "level": 0.05}

    def test_another_protocol_judges_nothing_again(self, records, tmp_path, monkeypatch):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        monkeypatch.setitem(PROTOCOLS, "again", summarise)
        judge = ToyJudge()
        evaluate(records, judge, tmp_path / "out", settings=SETTINGS, protocol="again")
        assert judge.asked == []

    def test_an_unknown_protocol_is_refused_before_anything_is_judged(self, records, tmp_path):
        judge = ToyJudge()
        with pytest.raises(UsageError, match=r"unknown protocol 'nonsense'; known: clips, .*speech"):
            evaluate(records, judge, tmp_path / "out", settings=SETTINGS, protocol="nonsense")
        assert judge.asked == []


class TestClipsProtocol:
    def test_each_group_of_fakes_is_compared_with_all_real_clips(self, records):
        summary = figures(records)
        assert (summary.real.clips, summary.real.judged) == (5, 4)
        assert (summary.fake.clips, summary.fake.judged) == (6, 5)
        assert summary.overall.auc.value == pytest.approx((4 * 4 + 2) / 20)
        lips, voice = summary.types
        assert (lips.type, lips.clips, lips.judged, lips.auc.value) == (LIPS, 3, 2, 0.75)
        assert (voice.auc.value, voice.equal_error_rate.value, voice.flagged.value) == (1.0, 0.0, 1.0)
        assert [(group.method, group.judged) for group in summary.methods] == [
            ("SadTalker", 0),
            ("Wav2Lip", 2),
            ("rtvc", 3),
        ]
        assert math.isnan(summary.methods[0].auc.value)
        assert summary.false_alarms.value == 0.25
        assert summary.false_alarms.low <= 0.25 <= summary.false_alarms.high

    def test_types_with_the_same_fake_part_are_also_one_group(self, records, tmp_path):
        assert figures(records).parts == []
        both = record(tmp_path, BOTH, "a", "id1", "l_p0.9")
        pictures, sounds = figures([*records, both]).parts
        assert (pictures.name, pictures.judged, pictures.auc.value) == ("FakeVideo-*", 3, pytest.approx(6.5 / 12))
        assert (sounds.name, sounds.judged) == ("*-FakeAudio", 4)

    def test_each_check_is_ranked_alone(self, records):
        overall = figures(records).overall
        assert overall.checks["lips"] == overall.auc
        assert overall.checks["face"].value == pytest.approx(1 - overall.auc.value)

    def test_a_check_counts_on_the_clips_where_it_has_a_score(self, records):
        fake = records[6]  # p = 0.3, the fake that ranks below a real clip
        verdict = toy_verdict(fake.path)
        unscored = replace(verdict, checks={**verdict.checks, "lips": CheckResult(reason=Reason.NO_SPEECH)})
        lips, _ = figures(records, **{fake.name: unscored}).types
        assert (lips.judged, lips.auc.value, lips.checks["lips"].value) == (2, 0.75, 1.0)

    def test_a_check_of_a_few_verdicts_is_found(self, records):
        real, fake = (
            replace(toy_verdict(records[at].path), checks={"voice": CheckResult(score)})
            for at, score in ((0, 1), (8, 2))
        )
        overall = figures(records, **{records[0].name: real, records[8].name: fake}).overall
        assert list(overall.checks) == ["voice", "lips", "face"]
        assert overall.checks["voice"].value == 1.0

    def test_baselines_are_compared_with_the_verdict(self, records):
        lips, voice = figures(records).types
        assert voice.baselines["leading_silence"].value == 1.0
        assert lips.baselines["leading_silence"].value == 0.5
        assert voice.baselines["length"].value == 0.5

    def test_an_unknown_number_of_a_baseline_is_left_out(self, records):
        silent = {r.name: replace(toy_verdict(r.path), leading_silence=math.nan) for r in records[:3]}
        none = {r.name: replace(toy_verdict(r.path), leading_silence=None) for r in records[3:4]}
        assert math.isnan(figures(records, **silent, **none).overall.baselines["leading_silence"].value)
        assert figures(records, **silent).overall.baselines["leading_silence"].value == pytest.approx(4 / 5)

    def test_without_calibration_clips_are_ranked_but_not_flagged(self, records):
        measured = {
            r.name: replace(toy_verdict(r.path), verdict="measured", p_value=None) for r in records if "_p" in r.name
        }
        summary = figures(records, **measured)
        assert summary.overall.auc == figures(records).overall.auc
        assert math.isnan(summary.false_alarms.value)
        assert any("False alarms: unknown" in line for line in summary.notes())


class TestResume:
    def test_a_killed_run_continues_where_it_stopped(self, records, tmp_path):
        whole = evaluate(records, ToyJudge(), tmp_path / "whole", settings=SETTINGS)
        out = tmp_path / "out"
        with pytest.raises(KeyboardInterrupt):
            evaluate(records, ToyJudge(killed_at=4), out, settings=SETTINGS)
        assert len(lines(out)) == 4
        again, seen = ToyJudge(), []
        summary = evaluate(records, again, out, settings=SETTINGS, on_progress=lambda done, total: seen.append(done))
        assert [path for path, _ in again.asked] == [clip.path for clip in records[4:-1]]
        assert seen[0] == 4
        assert summary == whole
        assert (out / "clips.csv").read_bytes() == (tmp_path / "whole" / "clips.csv").read_bytes()

    @pytest.mark.parametrize("lost", [1, 7, 60, 10**6])
    def test_a_half_written_last_line_is_judged_again(self, records, tmp_path, lost):
        out = tmp_path / "out"
        whole = evaluate(records, ToyJudge(), out, settings=SETTINGS)
        path = out / "verdicts.jsonl"
        before = path.read_bytes()
        path.write_bytes(before[:-lost])
        assert evaluate(records, ToyJudge(), out, settings=SETTINGS) == whole
        assert path.read_bytes() == before

    def test_a_finished_run_judges_nothing(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        judge = ToyJudge()
        evaluate(records, judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == []

    def test_a_clip_whose_file_has_changed_is_judged_again(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        changed, came = records[7], records[-1]
        came.path.parent.mkdir()
        for clip in (changed, came):
            clip.path.write_bytes(b"????")
        judge = ToyJudge()
        summary = evaluate(records, judge, tmp_path / "out", settings=SETTINGS)
        assert [path for path, _ in judge.asked] == [changed.path, came.path]
        assert summary.fake.judged == 6
        assert len(lines(tmp_path / "out")) == 14

    @pytest.mark.parametrize("change", [{"identity": "id9"}, {"method": "other"}, {"split": "test"}])
    def test_a_clip_that_the_data_set_describes_otherwise_is_judged_again(self, records, tmp_path, change):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        judge = ToyJudge()
        evaluate([replace(records[0], **change), *records[1:]], judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == [(records[0].path, None)]

    def test_the_summary_is_of_the_clips_asked_for(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        judge = ToyJudge()
        part = evaluate(records[:7], judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == []
        assert [group.method for group in part.methods] == ["Wav2Lip"]
        assert len(table(tmp_path / "out")) == 7


class TestRole:
    def test_real_clips_have_the_role_and_all_fakes_stay(self, tmp_path):
        people = [f"id{number}" for number in range(20)]
        clips = [record(tmp_path, kind, "m", person, "a") for person in people for kind in (REAL, LIPS)]
        for wanted in ("report", "calibrate"):
            kept = with_role(clips, wanted)
            assert {clip.identity for clip in kept if clip.label == "real"} == {p for p in people if role(p) == wanted}
            assert [clip for clip in kept if clip.label == "fake"] == clips[1::2]
        assert with_role(clips, "all") == clips


class TestTable:
    @pytest.mark.parametrize("width", ["40", "200"])
    def test_the_printed_tables_lose_no_digit(self, records, monkeypatch, width):
        monkeypatch.setenv("COLUMNS", width)
        summary = figures(records)
        text = StringIO()
        print_tables(summary.tables(), summary.notes(), text)
        printed = text.getvalue()
        for part in (LIPS, "Wav2Lip", "–", "5/6", "1.00–1.00", "no_face 1", "lips", "face", "leading silence"):
            assert part in printed
        assert "…" not in printed

    def test_a_name_cannot_control_the_terminal(self, records, tmp_path):
        text = StringIO()
        odd = record(tmp_path, LIPS, "a\x1b[31mb", "id9", "l_p0.5")
        print_tables(figures([*records, odd]).tables(), (), text)
        assert "\x1b" not in text.getvalue()
        assert r"a\x1b[31mb" in text.getvalue()

    def test_markdown_has_a_cell_for_each_column(self, records, tmp_path):
        odd = record(tmp_path, BOTH, "a|b", "id9", "noface")
        tables = figures([*records, odd]).tables()
        assert [len(rows) for rows in tables.values()] == [1 + 2 + 3 + 4] * 2
        for rows in tables.values():
            head, line, *body = [row for row in to_markdown({"t": rows}).splitlines() if row.startswith("|")]
            assert r"a\|b" in "".join(body)
            assert {row.replace(r"\|", "").count("|") for row in (head, line, *body)} == {len(rows[0]) + 1}

    def test_markdown_says_three_digits_and_the_interval(self):
        tables = {"Title": [{"what": "x", "AUC": Estimate(0.5, 0.25, 0.75), "n": 3, "share": math.nan}]}
        expected = ["## Title", "", "| what | AUC | n | share |", "| --- | ---: | ---: | ---: |"]
        assert to_markdown(tables).splitlines() == [*expected, "| x | 0.500 [0.250–0.750] | 3 | – |"]
