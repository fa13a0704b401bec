"""Evaluation: figures that equal scikit-learn's, intervals that cover, results that survive a kill."""

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

from avsync.datasets import ClipRecord
from avsync.errors import Reason, UsageError
from avsync.evaluate import Settings, evaluate, print_summary, to_markdown
from avsync.evaluate.baselines import duration, leading_silence
from avsync.evaluate.metrics import (
    auc,
    average_precision,
    balanced_average_precision,
    equal_error_rate,
    estimate,
    share,
)
from avsync.media import RATE, write_clip
from avsync.score.verdict import Verdict

SETTINGS = Settings(model="toy", weights_sha256="ab" * 32, trim="default", level=0.05)


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


def talk(seconds: float, silence: float = 0.0) -> np.ndarray:
    """A tone after digital silence."""
    tone = 0.3 * np.sin(np.arange(round(seconds * RATE)) * 0.2)
    return np.concatenate([np.zeros(round(silence * RATE)), tone]).astype(np.float32)


def film(path: Path, waveform: np.ndarray | None, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, [np.full((32, 32), 90, np.uint8)] * round(25 * seconds), waveform)
    return path


class TestBaselines:
    @pytest.mark.parametrize("silence", [0.0, 0.25, 1.5])
    def test_leading_silence_is_measured(self, tmp_path, silence):
        clip = film(tmp_path / "a.mp4", talk(1.0, silence), 1 + silence)
        assert leading_silence(clip) == pytest.approx(silence, abs=0.03)  # AAC smears by a part of its frame

    def test_silence_throughout_is_its_length(self, tmp_path):
        assert leading_silence(film(tmp_path / "a.mp4", np.zeros(RATE, np.float32))) == pytest.approx(1.0, abs=0.1)

    def test_duration(self, tmp_path):
        assert duration(film(tmp_path / "a.mp4", talk(2.0), 2.0)) == pytest.approx(2.0, abs=0.1)

    def test_no_sound_or_no_media_has_no_figure(self, tmp_path):
        (tmp_path / "text.mp4").write_text("text")
        assert math.isnan(leading_silence(film(tmp_path / "mute.mp4", None)))
        assert math.isnan(leading_silence(tmp_path / "text.mp4"))
        assert math.isnan(duration(tmp_path / "missing.mp4"))


class ToyJudge:
    """Judges by the file's name, and remembers what it was asked; may be "killed" at one clip."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.asked: list[Path] = []
        self._killed_at = killed_at

    def __call__(self, path: Path) -> Verdict:
        if len(self.asked) == self._killed_at:
            raise KeyboardInterrupt
        self.asked.append(path)
        if "noface" in path.name:
            return Verdict(str(path), "cannot_judge", Reason.NO_FACE, "no face\nfound")
        p_value = float(path.stem.rpartition("p")[2])
        word = "suspicious" if p_value <= 0.05 else "consistent"
        return Verdict(str(path), word, p_value=p_value, oddness=1 - p_value)


def record(root: Path, kind: str, method: str, identity: str, name: str) -> ClipRecord:
    label = "real" if kind == "RealVideo-RealAudio" else "fake"
    name = f"{kind}/{identity}/{name}.mp4"
    return ClipRecord(root / name, name, label, kind, method, identity, identity)


@pytest.fixture
def records(tmp_path) -> list[ClipRecord]:
    """Five real clips and seven fakes of four people; of each class one clip is refused, and one fake is missing."""
    root = tmp_path / "data"
    real, lips, voice = "RealVideo-RealAudio", "FakeVideo-RealAudio", "RealVideo-FakeAudio"
    clips = [
        record(root, real, "real", "id1", "a_p0.9"),
        record(root, real, "real", "id2", "b_p0.5"),
        record(root, real, "real", "id3", "c_p0.2"),
        record(root, real, "real", "id4", "d_p0.04"),
        record(root, real, "real", "id4", "e_noface"),
        record(root, lips, "Wav2Lip", "id1", "f_p0.01"),
        record(root, lips, "Wav2Lip", "id2", "g_p0.3"),
        record(root, lips, "SadTalker", "id3", "h_noface"),
        record(root, voice, "rtvc", "id1", "i_p0.001"),
        record(root, voice, "rtvc", "id2", "j_p0.002"),
        record(root, voice, "rtvc", "id3", "k_p0.003"),
        record(root, voice, "rtvc", "id4", "missing"),
    ]
    for index, clip in enumerate(clips[:-1]):
        late = 0.5 if clip.type == voice else 0.0
        film(clip.path, talk(0.5, late), 0.5 + late + index / 25)
    return clips


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class TestEvaluate:
    def test_one_row_for_each_clip(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        table = rows(tmp_path / "out")
        assert [row["path"] for row in table] == [clip.name for clip in records]
        first = table[0]
        assert (first["verdict"], first["p_value"], first["reason"]) == ("consistent", "0.9", "")
        assert float(first["oddness"]) == pytest.approx(1 - 0.9)
        assert float(first["leading_silence"]) < 0.03
        assert (table[4]["reason"], table[4]["detail"], table[4]["p_value"]) == ("no_face", "no face found", "")

    def test_missing_file_is_refused_not_dropped(self, records, tmp_path):
        judge = ToyJudge()
        summary = evaluate(records, judge, tmp_path / "out", settings=SETTINGS)
        assert records[-1].path not in judge.asked
        assert rows(tmp_path / "out")[-1]["detail"] == "missing file"
        assert summary.fake.refused == {"no_face": 1, "unreadable": 1}

    def test_each_group_of_fakes_stands_against_all_real_clips(self, records, tmp_path):
        summary = evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        assert (summary.real.clips, summary.real.judged) == (5, 4)
        assert (summary.fake.clips, summary.fake.judged) == (7, 5)
        assert summary.overall.auc.value == pytest.approx((4 * 4 + 2) / 20)
        lips, voice = summary.types
        assert (lips.type, lips.clips, lips.judged, lips.auc.value) == ("FakeVideo-RealAudio", 3, 2, 0.75)
        assert (voice.auc.value, voice.equal_error_rate.value, voice.flagged.value) == (1.0, 0.0, 1.0)
        assert [(group.method, group.judged) for group in summary.methods] == [
            ("SadTalker", 0),
            ("Wav2Lip", 2),
            ("rtvc", 3),
        ]
        assert math.isnan(summary.methods[0].auc.value)
        assert summary.false_alarms.value == 0.25
        assert summary.false_alarms.low <= 0.25 <= summary.false_alarms.high

    def test_shortcuts_stand_beside_the_model(self, records, tmp_path):
        lips, voice = evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS).types
        assert voice.leading_silence_auc.value == 1.0
        assert lips.leading_silence_auc.value < 0.9
        assert voice.duration_auc.value == 1.0

    def test_summary_is_saved(self, records, tmp_path):
        summary = evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        saved = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert saved == json.loads(json.dumps(summary.to_dict()))
        assert saved["schema"] == "avsync.evaluation/1"
        assert saved["settings"]["weights_sha256"] == SETTINGS.weights_sha256
        assert saved["methods"][0]["auc"] == {"value": None, "low": None, "high": None}

    def test_what_is_only_measured_is_ranked_but_not_called_anything(self, records, tmp_path):
        class Uncalibrated(ToyJudge):
            def __call__(self, path):
                verdict = super().__call__(path)
                return replace(verdict, verdict="measured", p_value=None) if verdict.p_value else verdict

        judged = evaluate(records, ToyJudge(), tmp_path / "judged", settings=SETTINGS)
        summary = evaluate(records, Uncalibrated(), tmp_path / "measured", settings=SETTINGS)
        assert summary.overall.auc == judged.overall.auc
        assert math.isnan(summary.false_alarms.value)
        text = StringIO()
        print_summary(summary, text)
        assert "False alarms: not known" in text.getvalue()

    def test_progress_is_reported(self, records, tmp_path):
        seen: list[tuple[int, int]] = []
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS, hook=lambda *counts: seen.append(counts))
        assert seen == [(done, 12) for done in range(13)]

    def test_nothing_to_evaluate(self, tmp_path):
        with pytest.raises(UsageError, match="no clip"):
            evaluate([], ToyJudge(), tmp_path / "out", settings=SETTINGS)


class TestResume:
    def test_killed_run_goes_on_where_it_stopped(self, records, tmp_path):
        whole = evaluate(records, ToyJudge(), tmp_path / "whole", settings=SETTINGS)
        out = tmp_path / "out"
        with pytest.raises(KeyboardInterrupt):
            evaluate(records, ToyJudge(killed_at=4), out, settings=SETTINGS)
        assert len(rows(out)) == 4
        again, seen = ToyJudge(), []
        summary = evaluate(records, again, out, settings=SETTINGS, hook=lambda done, total: seen.append(done))
        assert again.asked == [clip.path for clip in records[4:-1]]
        assert seen[0] == 4
        assert summary.to_dict() == whole.to_dict()

    @pytest.mark.parametrize("lost", [1, 7, 60, 10**6])
    def test_half_written_last_line_is_judged_again(self, records, tmp_path, lost):
        out = tmp_path / "out"
        whole = evaluate(records, ToyJudge(), out, settings=SETTINGS)
        table = out / "clips.csv"
        before = table.read_bytes()
        table.write_bytes(before[:-lost])
        assert evaluate(records, ToyJudge(), out, settings=SETTINGS).to_dict() == whole.to_dict()
        assert table.read_bytes() == before

    def test_finished_run_judges_nothing(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        judge = ToyJudge()
        evaluate(records, judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == []

    def test_file_that_has_come_is_judged(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        came = records[7]
        film(came.path, talk(2.0), 2.0)
        judge = ToyJudge()
        evaluate(records, judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == [came.path]
        assert len(rows(tmp_path / "out")) == 13

    def test_summary_is_of_the_clips_asked_for(self, records, tmp_path):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        judge = ToyJudge()
        part = evaluate(records[:7], judge, tmp_path / "out", settings=SETTINGS)
        assert judge.asked == []
        assert [group.method for group in part.methods] == ["Wav2Lip"]

    @pytest.mark.parametrize("change", [{"weights_sha256": "cd" * 32}, {"trim": "paper"}, {"level": 0.01}])
    def test_other_settings_do_not_mix(self, records, tmp_path, change):
        out = tmp_path / "out"
        evaluate(records, ToyJudge(), out, settings=SETTINGS)
        other = Settings(**{"model": "toy", "weights_sha256": "ab" * 32, "trim": "default", "level": 0.05, **change})
        with pytest.raises(
            UsageError, match=rf"{out} holds results of other settings \({next(iter(change))} changed\)"
        ):
            evaluate(records, ToyJudge(), out, settings=other)

    def test_folder_of_something_else_is_refused(self, records, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(UsageError, match="cannot be written"):
            evaluate(records, ToyJudge(), tmp_path / "file", settings=SETTINGS)
        (tmp_path / "clips.csv").write_text("name,score\n")
        with pytest.raises(UsageError, match="unknown settings"):
            evaluate(records, ToyJudge(), tmp_path, settings=SETTINGS)

    @pytest.mark.parametrize(
        ("table", "message"), [("name,score\n", "another version"), ("a\nb,c\n", "cannot be read")]
    )
    def test_table_of_another_version_is_refused(self, records, tmp_path, table, message):
        evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        (tmp_path / "out" / "clips.csv").write_text(table)
        with pytest.raises(UsageError, match=message):
            evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)


class TestTable:
    @pytest.mark.parametrize("width", ["40", "200"])
    def test_printed_table_loses_no_figure(self, records, tmp_path, monkeypatch, width):
        monkeypatch.setenv("COLUMNS", width)
        summary = evaluate(records, ToyJudge(), tmp_path / "out", settings=SETTINGS)
        text = StringIO()
        print_summary(summary, text)
        printed = text.getvalue()
        for part in ("FakeVideo-RealAudio", "Wav2Lip", "SadTalker", "–", "5/7", "1.00–1.00", "no_face 1, unreadable 1"):
            assert part in printed
        assert "…" not in printed

    def test_markdown_has_a_cell_for_each_column(self, records, tmp_path):
        odd = record(tmp_path / "data", "FakeVideo-FakeAudio", "a|b", "id9", "noface")
        summary = evaluate([*records, odd], ToyJudge(), tmp_path / "out", settings=SETTINGS)
        head, line, *table = [row for row in to_markdown(summary).splitlines() if row.startswith("|")]
        assert r"a\|b" in "".join(table)
        assert {row.replace(r"\|", "").count("|") for row in (head, line, *table)} == {11}
        assert len(table) == 1 + 3 + 4
