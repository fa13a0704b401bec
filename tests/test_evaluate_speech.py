"""The protocol "speech": figures by hand and by scikit-learn, pages, shortcuts, calibration; degraded sound."""

import json
import math
import random
import sys
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import talking
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve
from typer.testing import CliRunner

from avsync.cli import command_line
from avsync.datasets import ClipRecord
from avsync.errors import Reason
from avsync.evaluate import Settings, default_protocol, evaluate, print_tables, to_markdown
from avsync.evaluate.manipulations import MANIPULATIONS, Source, named
from avsync.evaluate.metrics import auc, equal_error_rate
from avsync.evaluate.pages import over, strata, within
from avsync.evaluate.protocols.speech import summarise
from avsync.evaluate.reliability import (
    BINS,
    accuracy_rejection,
    balanced,
    calibration_error,
    even_odds,
    reliability,
    reliability_diagram,
)
from avsync.evaluate.results import StoredVerdict, VerdictFile
from avsync.evaluate.sound_facts import SoundFacts, sound_facts
from avsync.media import RATE
from avsync.score.verdict import CheckResult, Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from benchmark_voice import degraded, step_row

SETTINGS = Settings("toy", "ab" * 32, ("voice",), "default", "dlib", 0.05)


def write_speech(path, samples):
    """Write mono 16 kHz sound as FLAC, and return its path."""
    return talking.write(path, None, samples, codec="flac")


FACTS = SoundFacts(seconds=3.0, leading_silence=0.1, loudness=-20.0, highest_frequency=7000.0)


def clip(name, *, fake, system="", kind="", page="", group=None, pair="", folder=Path()):
    return ClipRecord(
        path=folder / name,
        name=name,
        label="fake" if fake else "real",
        type="FakeAudio" if fake else "RealAudio",
        method=system if fake else "real",
        identity=group or name,
        speaker=group or name,
        kind=kind,
        page=page,
        pair=pair,
    )


def verdict(p=None, reason=Reason.NO_SPEECH):
    if p is None:
        return Verdict("x", "cannot_judge", reason, checks={"voice": CheckResult(reason=reason)})
    score = -math.log10(p)
    said = "suspicious" if p <= SETTINGS.level else "consistent"
    return Verdict("x", said, p_value=p, anomaly_score=score, checks={"voice": CheckResult(score, p)})


def summary(*clips):
    """The figures of clips, p-values and perhaps facts of the sound."""
    results = {record.name: StoredVerdict({}, verdict(p), *facts) for record, p, *facts in clips}
    return summarise([record for record, *_ in clips], results, SETTINGS)


def two_pages():
    """On one page all is odd, on the other nothing: across pages the real clips of the first pass for fakes."""
    return [
        (clip("a1", fake=False, page="odd", group="ann"), 0.02),
        (clip("a2", fake=False, page="odd", group="bob"), 0.03),
        (clip("a3", fake=True, page="odd", group="ann", system="VITS", kind="tts"), 0.01),
        (clip("b1", fake=False, page="calm", group="cat"), 0.8),
        (clip("b2", fake=False, page="calm", group="dan"), 0.3),
        (clip("b3", fake=True, page="calm", group="cat", system="VITS", kind="tts"), 0.2),
        (clip("b4", fake=True, page="calm", group="dan", system="DAC", kind="codec"), 0.5),
    ]


class TestPages:
    def test_each_fake_meets_the_real_clips_of_its_page(self):
        found = summary(*two_pages())
        by_system = {group.method: group.auc.value for group in found.systems}
        assert by_system == {"VITS": 1.0, "DAC": 0.5}
        # Page odd: AUC 1, weight 1·2/3; page calm: (2 + 1)/4, weight 2·2/4.
        assert found.overall.auc.value == pytest.approx((2 / 3 * 1 + 1 * 0.75) / (2 / 3 + 1))
        # Across pages: 4 + 2 + 1 of 12 pairs.
        assert found.pooled["auc"].value == pytest.approx(7 / 12)
        assert found.pages == 2

    def test_without_pages_it_is_the_ordinary_curve(self):
        rng = np.random.default_rng(0)
        p = rng.uniform(0.001, 1, 60)
        clips = [(clip(f"{n}", fake=n % 3 > 0, system="s"), float(p[n])) for n in range(60)]
        found = summary(*clips)
        fake = [n % 3 > 0 for n in range(60)]
        assert found.overall.auc.value == pytest.approx(roc_auc_score(fake, -p))
        assert found.overall.auc == found.pooled["auc"]
        alarm, hit, _ = roc_curve(fake, -p, drop_intermediate=False)
        equal = np.interp(0, alarm - (1 - hit), alarm)  # where false alarms less misses pass 0
        assert found.overall.equal_error_rate.value == pytest.approx(equal)

    def test_equal_error_rate_is_interpolated(self):
        """Real 1, 2; fake 2.5, 1.5, 3: between (0, 2/3) and (1/2, 2/3) misses stay at 1/3."""
        fake, score = np.array([False, False, True, True, True]), np.array([1, 2, 2.5, 1.5, 3])
        assert equal_error_rate(fake, score, np.ones(5)) == pytest.approx(1 / 3)

    def test_page_without_real_clips_is_left_out_and_counted(self):
        alone = (clip("c1", fake=True, page="alone", system="VITS", kind="tts"), 0.9)
        found = summary(*two_pages(), alone)
        assert found.overall.auc.value == summary(*two_pages()).overall.auc.value
        assert (found.overall.judged, found.overall.compared) == (4, 3)
        assert "1 fakes of pages without any are left out" in " ".join(found.notes())

    def test_fake_without_a_page_meets_all_real_clips(self):
        stray = (clip("c1", fake=True, system="stray"), 0.1)
        (group,) = [group for group in summary(*two_pages(), stray).systems if group.method == "stray"]
        assert group.auc.value == 0.5

    def test_refused_real_clips_are_no_page(self):
        clips = [(record, None if record.page == "odd" and record.label == "real" else p) for record, p in two_pages()]
        found = summary(*clips)
        assert found.overall.auc.value == 0.75
        assert found.real.refused == {"no_speech": 2}
        assert "Judged 2 of 4 real clips; refused: no_speech 2." in found.notes()

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=20))
    def test_order_and_scale_do_not_matter(self, rows):
        fake = np.array([row[0] for row in rows])
        score = np.array([row[2] for row in rows], float)
        pages = [row[1] for row in rows]
        value = within(auc, fake, score, strata(fake, pages, fake))(np.ones(len(rows)))
        turned = within(auc, fake[::-1], 2 * score[::-1] + 1, strata(fake[::-1], pages[::-1], fake[::-1]))
        assert turned(np.ones(len(rows))) == pytest.approx(value, nan_ok=True)

    def test_copies_of_every_clip_change_nothing(self):
        fake = np.array([record.label == "fake" for record, _ in two_pages()])
        score, pages = np.array([-p for _, p in two_pages()]), [record.page for record, _ in two_pages()]
        metric = within(auc, fake, score, strata(fake, pages, fake))
        assert metric(np.full(7, 3.0)) == pytest.approx(metric(np.ones(7)))


class TestSystems:
    def test_every_system_weighs_the_same(self):
        clips = [(clip(f"r{n}", fake=False), p) for n, p in enumerate((0.9, 0.5, 0.1))]
        clips += [(clip(f"many{n}", fake=True, system="many", kind="tts"), 0.01) for n in range(9)]
        clips += [(clip("few", fake=True, system="few", kind="tts"), 0.95)]
        clips += [(clip("mid", fake=True, system="mid", kind="vc"), 0.3)]
        found = summary(*clips)
        assert found.over_systems["mean"].auc.value == pytest.approx((1 + 0 + 2 / 3) / 3)
        assert found.over_systems["median"].auc.value == pytest.approx(2 / 3)
        interval = found.over_systems["median"].auc
        assert interval.low <= interval.value <= interval.high
        rows = found.tables()["Synthetic speech against real speech"]
        assert [row["fakes"] for row in rows] == [
            *("all", "tts", "· few", "· many", "vc", "· mid", "mean of 3 systems", "median of 3 systems"),
        ]

    def test_draw_without_a_system_leaves_it_out(self):
        first, second = (lambda w: w[..., 0]), (lambda w: np.full(w.shape[:-1], np.nan))
        metric = over(np.nanmedian, [first, second])
        assert metric(np.array([[0.4, 1.0]])) == [0.4]
        assert math.isnan(over(np.nanmean, [second])(np.ones((1, 2)))[0])

    def test_same_name_of_two_kinds_is_two_systems(self):
        clips = [(clip("r", fake=False), 0.5)]
        clips += [(clip(kind, fake=True, system="WaveGrad", kind=kind), 0.1) for kind in ("tts", "vocoder")]
        assert [(group.kind, group.method) for group in summary(*clips).systems] == [
            ("tts", "WaveGrad"),
            ("vocoder", "WaveGrad"),
        ]

    def test_flagged_and_false_alarms_at_every_level(self):
        clips = [(clip(f"r{n}", fake=False), p) for n, p in enumerate((0.005, 0.03, 0.08, 0.15, 0.5))]
        clips += [(clip("f1", fake=True, system="s"), 0.04), (clip("f2", fake=True, system="s"), 0.06)]
        found = summary(*clips)
        shares = {level: figure.value for level, figure in found.false_alarms.items()}
        assert shares == pytest.approx({"0.01": 0.2, "0.02": 0.2, "0.05": 0.4, "0.1": 0.6, "0.2": 0.8})
        assert found.overall.flagged.value == 0.5

    def test_no_verdict_at_all_still_has_tables(self):
        found = summary((clip("r", fake=False), None), (clip("f", fake=True, system="s"), None))
        assert math.isnan(found.overall.auc.value)
        assert "False alarms on real speech" not in found.tables()
        assert any("No fake has a p-value" in line for line in found.notes())
        json.dumps(found.to_dict(), allow_nan=False)
        to_markdown(found.tables())


class TestShortcuts:
    def clips(self):
        dull, bright = replace(FACTS, highest_frequency=4000.0, loudness=-10.0), FACTS
        return [
            *((clip(f"r{n}", fake=False), 0.5, bright) for n in range(3)),
            *((clip(f"f{n}", fake=True, system="s"), 0.1, dull) for n in range(3)),
        ]

    def test_better_direction_is_taken_and_told(self):
        found = summary(*self.clips())
        assert found.overall.baselines["highest_frequency"].value == 1.0
        assert found.overall.baselines["loudness"].value == 1.0
        assert found.overall.baselines["length"].value == 0.5
        assert found.baseline_directions["highest_frequency"] == "low"
        assert found.baseline_directions["loudness"] == "high"
        heading = "ROC AUC of the verdict, of each check alone, and of shortcuts"
        assert {"highest frequency (low)", "loudness (high)", "voice"} <= set(found.tables()[heading][0])

    def test_direction_is_that_of_all_fakes_for_every_system(self):
        odd = (clip("odd", fake=True, system="odd"), 0.1, replace(FACTS, highest_frequency=7900.0))
        groups = {group.method: group for group in summary(*self.clips(), odd).systems}
        assert groups["odd"].baselines["highest_frequency"].value == 0.0

    def test_unknown_facts_are_left_out(self):
        silent = (clip("f9", fake=True, system="s"), 0.1, replace(FACTS, loudness=None, highest_frequency=None))
        assert summary(*self.clips(), silent).overall.baselines["loudness"].value == 1.0
        assert math.isnan(summary(*two_pages()).overall.baselines["loudness"].value)

    def test_facts_of_a_tone(self, tmp_path):
        time = np.arange(2 * RATE) / RATE
        tone = np.where(time < 0.5, 0, 0.1 * np.sin(2 * np.pi * 3000 * time)).astype(np.float32)
        facts = sound_facts(write_speech(tmp_path / "a.flac", tone))
        assert facts.seconds == 2.0
        assert facts.leading_silence == pytest.approx(0.5, abs=0.001)
        assert facts.loudness == pytest.approx(20 * math.log10(0.1 / math.sqrt(2)) + 10 * math.log10(0.75), abs=0.05)
        assert facts.highest_frequency == pytest.approx(3000, abs=350)  # the onset is sudden

    def test_gain_moves_loudness_and_the_first_sample_alone(self, tmp_path):
        noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
        loud, soft = (sound_facts(write_speech(tmp_path / f"{gain}.flac", noise * gain)) for gain in (1.0, 0.5))
        assert loud.loudness - soft.loudness == pytest.approx(6.02, abs=0.05)
        assert loud.first_sample == pytest.approx(2 * soft.first_sample, abs=1e-3)
        assert replace(loud, loudness=None, first_sample=None) == replace(soft, loudness=None, first_sample=None)

    def test_silence_and_rubbish(self, tmp_path):
        facts = sound_facts(write_speech(tmp_path / "a.flac", np.zeros(RATE, np.float32)))
        assert facts == SoundFacts(1.0, 1.0, None, None, trailing_silence=1.0, first_sample=0.0)
        (tmp_path / "b.wav").write_bytes(b"no sound")
        assert sound_facts(tmp_path / "b.wav") is None
        assert sound_facts(tmp_path / "none.wav") is None


class TestReliability:
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_scikit_learn_where_classes_are_balanced(self, seed):
        rng = np.random.default_rng(seed)
        fake, probability = np.tile([True, False], 100), rng.random(200).round(2)
        shares, means = calibration_curve(fake, probability, n_bins=BINS)
        diagram = reliability_diagram(fake, probability)
        assert [one.fakes for one in diagram] == pytest.approx(shares)
        assert [one.probability for one in diagram] == pytest.approx(means)
        clips = np.array([one.clips for one in diagram])
        expected = np.abs(shares - means) @ clips / clips.sum()
        assert calibration_error(fake, probability, np.ones(200)) == pytest.approx(expected)

    def test_error_by_hand(self):
        """Bin 0: two real clips at 0.05, error 0.05; last bin: a real clip and three fakes at 1, error 1/4."""
        fake = np.array([False, False, False, True, True, True])
        probability = np.array([0.05, 0.05, 1, 1, 1, 1])
        assert calibration_error(fake, probability, np.ones(6)) == pytest.approx((2 * 0.05 + 4 * 0.25) / 6)

    def test_classes_weigh_the_same(self):
        fake = np.array([True, True, True, False])
        assert balanced(fake, np.ones(4)) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
        (one,) = reliability_diagram(fake, np.full(4, 0.5))
        assert (one.fakes, one.clips) == (pytest.approx(0.5), 4)

    def test_right_probability_has_next_to_no_error(self):
        rng = np.random.default_rng(4)
        probability = rng.random(200_000)
        fake = rng.random(200_000) < probability
        assert calibration_error(fake, probability, np.ones(200_000)) < 0.01

    def test_one_minus_p_of_a_perfect_detector_is_a_quarter_off(self):
        p = np.concatenate([np.linspace(0, 1, 10_001), np.zeros(10_001)])
        fake = np.arange(len(p)) > 10_000
        assert calibration_error(fake, 1 - p, np.ones(len(p))) == pytest.approx(0.25, abs=0.04)
        assert calibration_error(fake, even_odds(p), np.ones(len(p))) < 0.5

    def test_one_class_alone_has_none(self):
        fake, probability = np.ones(3, bool), np.full(3, 0.5)
        assert math.isnan(calibration_error(fake, probability, np.ones(3)))
        assert reliability_diagram(fake, probability) == accuracy_rejection(fake, probability) == []

    def test_even_odds(self):
        assert even_odds(np.array([1.0, 0.25, 0.01, 0.0])) == pytest.approx([1 / 3, 1 / 2, 1 / 1.2, 1.0])

    def test_reliability_is_one_minus_entropy(self):
        assert reliability(np.array([0.0, 0.5, 1.0])) == pytest.approx([1, 0, 1])
        assert reliability(np.array([0.9])) == pytest.approx(1 - (-0.9 * np.log2(0.9) - 0.1 * np.log2(0.1)))

    @given(st.floats(0, 1))
    def test_reliability_is_the_same_for_either_class(self, probability):
        both = reliability(np.array([probability, 1 - probability]))
        assert both[0] == pytest.approx(both[1], abs=1e-12)
        assert -1e-12 <= both[0] <= 1

    def test_rejection_keeps_the_sure_ones(self):
        fake = np.array([True, True, False, False])
        probability = np.array([0.99, 0.4, 0.01, 0.6])  # the two near 0.5 are wrong
        curve = accuracy_rejection(fake, probability)
        assert (curve[0].reliability, curve[0].kept, curve[0].accuracy) == (0.0, 1.0, 0.5)
        halfway = next(kept for kept in curve if kept.reliability == 0.5)
        assert (halfway.kept, halfway.accuracy) == (0.5, 1.0)
        assert (curve[-1].kept, len(curve)) == (0.0, 101)
        assert math.isnan(curve[-1].accuracy)
        assert all(later.kept <= one.kept for one, later in pairwise(curve))


class TestStored:
    @pytest.fixture
    def records(self, tmp_path):
        rng = np.random.default_rng(5)
        records = [clip(f"{n}.flac", fake=n % 2 > 0, system="s", folder=tmp_path / "data") for n in range(4)]
        (tmp_path / "data").mkdir()
        for record in records[:3]:
            write_speech(record.path, rng.normal(0, 0.1, RATE).astype(np.float32))
        return records

    @staticmethod
    def judge(path, *, audio=None):
        return verdict({"0": 0.9, "1": 0.01, "2": 0.4}[path.stem])

    def test_sound_alone_is_summed_up_as_speech_with_facts_of_its_sound(self, records, tmp_path):
        found = evaluate(records, self.judge, tmp_path / "out", settings=SETTINGS)
        saved = json.loads((tmp_path / "out/summary.json").read_text())
        assert (saved["schema"], saved["protocol"]) == ("avsync.evaluation/2", "speech")
        assert saved["calibration"]["even_odds"]["reliability_diagram"][0]["low"] >= 0
        assert found.fake.refused == {"unreadable": 1}
        stored = VerdictFile(tmp_path / "out", SETTINGS).read()
        assert stored["0.flac"].sound == sound_facts(records[0].path)
        assert stored["3.flac"].sound is None

    def test_stop_and_go_judges_nothing_again(self, records, tmp_path):
        before = evaluate(records, self.judge, tmp_path / "out", settings=SETTINGS)
        again = evaluate(records, partial(pytest.fail, "judged again"), tmp_path / "out", settings=SETTINGS)
        assert again.to_dict() == before.to_dict()

    def test_protocol_follows_from_the_clips(self, records):
        video = replace(records[0], type="RealVideo-RealAudio")
        assert default_protocol(records) == "speech"
        assert default_protocol([*records, video]) == "clips"

    def test_video_has_no_facts_of_sound_alone(self, records, tmp_path):
        video = replace(records[0], type="RealVideo-RealAudio")
        evaluate([video], self.judge, tmp_path / "out", settings=SETTINGS)
        assert VerdictFile(tmp_path / "out", SETTINGS).read()["0.flac"].sound is None

    def test_command_says_which_protocol_it_takes(self, records, tmp_path, monkeypatch):
        class Toy:
            calibration_sha256 = ""
            model, weights_sha256, checks = "toy", "", ("voice",)

            def __init__(self, *_args, **_options):
                pass

            def score(self, path, *, audio=None):
                return TestStored.judge(path)

        monkeypatch.setattr("avsync.detector.Detector", Toy)
        lines = ["path,label", *(f"{r.name},{r.label}" for r in records)]
        (tmp_path / "data/meta.csv").write_text("\n".join(lines))
        words = ("evaluate", str(tmp_path / "data"), "--role", "all", "--output", str(tmp_path / "out"))
        result = CliRunner().invoke(command_line, words)
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[0] == "No clip has a picture: --protocol speech."
        assert "Synthetic speech against real speech" in result.stdout
        clips = CliRunner().invoke(command_line, (*words, "--protocol", "clips"))
        assert clips.stdout.splitlines()[0] == "Fakes against real clips"

    def test_tables_print(self, capsys):
        found = summary(*two_pages())
        print_tables(found.tables(), found.notes())
        shown = capsys.readouterr().out
        assert "Synthetic speech against real speech of their page" in shown
        assert "mean of 2 systems" in shown


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """A second of noise up to 8 kHz, louder and softer like speech."""
    rng = np.random.default_rng(6)
    envelope = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * np.arange(RATE) / RATE)
    samples = (rng.normal(0, 0.1, RATE) * envelope).astype(np.float32)
    return write_speech(tmp_path_factory.mktemp("voice") / "a.flac", samples)


class TestDegradedSpeech:
    @pytest.mark.parametrize(
        "name", [one.name for one in named("as it is,MP3,AAC,Opus,telephone,noise,reverb,8 kHz,gain")]
    )
    def test_every_step_keeps_length_and_level(self, voice, tmp_path, name):
        worse = MANIPULATIONS[name].make(Source(voice), tmp_path / "b", random.Random(1))
        before, after = sound_facts(voice), sound_facts(worse)
        assert worse.parent == tmp_path
        assert after.seconds == pytest.approx(before.seconds, abs=0.1)
        gain = {"gain -20 dB": -20, "gain +10 dB": 9.3, "telephone": -4, "8 kHz and back": -3}.get(name, 0)
        assert after.loudness - before.loudness == pytest.approx(gain, abs=3)
        if name in ("telephone", "8 kHz and back"):
            assert after.highest_frequency < 5500

    def test_clips_are_made_once_and_unreadable_ones_stay_missing(self, voice, tmp_path):
        step = MANIPULATIONS["gain -20 dB"]
        (tmp_path / "bad.wav").write_bytes(b"?")
        records = [replace(clip("a.flac", fake=False), path=voice), clip("bad.wav", fake=True, folder=tmp_path)]
        made = degraded(records, step, tmp_path / "clips")
        assert [record.path.is_file() for record in made] == [True, False]
        assert [record.name for record in made] == ["a.flac", "bad.wav"]
        written = made[0].path.stat().st_mtime_ns
        assert degraded(records, step, tmp_path / "clips") == made
        assert made[0].path.stat().st_mtime_ns == written
        assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["000000.flac"]

    def test_row_of_a_step_names_the_best_shortcut(self):
        row = step_row("noise", summary(*TestShortcuts().clips()))
        assert row["which"] in ("highest frequency", "loudness")
        assert row["AUC of the best shortcut"].value == 1.0
        assert row["AUC"].value == 1.0
