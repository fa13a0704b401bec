"""Methods side by side: the same clips and draws of people, p-values; AVH-Align's protocol; curves and tables."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import talking
import torch
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from stand_in import Detector as StandIn
from tiny import CONFIG, OPTIONS, avhubert_tensors
from typer.testing import CliRunner

import avsync.detector
from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.checks.methods import METHODS, chosen_methods, with_backbone
from avsync.cli import command_line
from avsync.cli.comparison import places
from avsync.cli.protocol import choose
from avsync.datasets import ClipRecord
from avsync.errors import Reason, UsageError
from avsync.evaluate import PROTOCOLS, Settings
from avsync.evaluate.compare import METRICS, compare, paired_p_value
from avsync.evaluate.metrics import Estimate, auc, bootstrap, interval, roc
from avsync.evaluate.plots import Judged, det_figure, reliability_figure, roc_figure, write_plots
from avsync.evaluate.protocols.avh_align import PUBLISHED
from avsync.evaluate.results import StoredVerdict
from avsync.evaluate.table import to_latex
from avsync.score.verdict import Verdict

REAL, LIPS, VOICE = "RealVideo-RealAudio", "FakeVideo-RealAudio", "RealVideo-FakeAudio"


def record(number: int, *, fake: bool, person: str, kind: str = LIPS) -> ClipRecord:
    kind = kind if fake else REAL
    name = f"{kind}/{number}.mp4"
    return ClipRecord(Path(name), name, "fake" if fake else "real", kind, "toy" if fake else "real", person, person)


def clips(people: int = 20) -> list[ClipRecord]:
    """Two real clips and three fakes of each person."""
    return [
        record(5 * person + number, fake=number > 1, person=f"id{person}", kind=VOICE if number == 4 else LIPS)
        for person in range(people)
        for number in range(5)
    ]


def verdicts(records, scores) -> dict[str, StoredVerdict]:
    """What a method that scores so has stored; None is a refusal."""
    return {
        one.name: StoredVerdict(
            {},
            Verdict(one.name, "cannot_judge", Reason.NO_FACE)
            if score is None
            else Verdict(one.name, "measured", anomaly_score=float(score)),
        )
        for one, score in zip(records, scores, strict=True)
    }


def scores(records, distance, seed):
    """Normal scores, those of fakes higher by `distance`."""
    fake = np.array([one.label == "fake" for one in records])
    return np.random.default_rng(seed).normal(size=len(records)) + distance * fake


class TestBootstrap:
    def test_two_metrics_of_the_same_people_have_the_same_draws(self):
        people = [f"id{number // 3}" for number in range(30)]
        clip = np.arange(30)
        first, second = (bootstrap(lambda weight, of=of: (weight * of).sum(-1), people) for of in (clip, 2 * clip))
        np.testing.assert_allclose(second[1], 2 * first[1])
        assert second[0] == 2 * first[0]

    def test_nobody_has_no_figure(self):
        value, drawn = bootstrap(lambda weight: weight.sum(-1), [], draws=7)
        assert np.isnan(value)
        assert np.isnan(drawn).tolist() == [True] * 7
        assert np.isnan(interval(value, drawn).low)


class TestPValue:
    def test_equal_methods_have_one(self):
        assert paired_p_value(0.0, np.zeros(1000)) == 1.0

    def test_it_is_twice_the_share_of_draws_on_the_other_side_of_zero(self):
        drawn = np.r_[np.full(20, -0.1), np.full(979, 0.1)]
        assert paired_p_value(0.1, drawn) == pytest.approx(2 * 21 / 1000)
        assert paired_p_value(-0.1, -drawn) == paired_p_value(0.1, drawn)

    def test_it_is_never_zero(self):
        assert paired_p_value(0.5, np.full(999, 0.5)) == pytest.approx(0.002)

    def test_draws_without_a_figure_are_left_out(self):
        assert paired_p_value(0.1, np.array([0.1, np.nan, -0.1, np.nan])) == 1.0
        assert np.isnan(paired_p_value(0.1, np.full(3, np.nan)))

    def test_equally_good_methods_are_rarely_told_apart(self):
        """At level 0.05 about one of twenty pairs is: of 100 pairs, between 0 and 12."""
        records = clips()
        fake, people = np.array([one.label == "fake" for one in records]), [one.identity for one in records]
        found = []
        for seed in range(100):
            pair = [scores(records, 1.0, (seed, n)) for n in range(2)]
            (first, draws), (second, others) = (bootstrap(partial(auc, fake, of), people, draws=300) for of in pair)
            found.append(paired_p_value(second - first, others - draws))
        assert sum(p <= 0.05 for p in found) <= 12
        assert 0.3 < np.median(found) < 0.7


class TestCompare:
    def test_figures_equal_scikit_learn(self):
        records = clips()
        methods = {"good": scores(records, 2.0, 0), "bad": scores(records, 0.2, 1)}
        found = compare(records, {name: verdicts(records, of) for name, of in methods.items()})
        fake = [one.label == "fake" for one in records]
        for one in found.methods:
            assert one.figures["AUC"].value == pytest.approx(roc_auc_score(fake, methods[one.name]), abs=1e-9)
            assert one.figures["AP"].value == pytest.approx(average_precision_score(fake, methods[one.name]), abs=1e-9)

    def test_differences_are_to_the_first_method(self):
        records = clips()
        methods = {name: verdicts(records, scores(records, *of)) for name, of in {"a": (2.0, 0), "b": (0.2, 1)}.items()}
        first, second = compare(records, methods).methods
        assert first.differences == {}
        for name in METRICS:
            one = second.differences[name]
            assert one.estimate.value == pytest.approx(second.figures[name].value - first.figures[name].value)
            assert one.p_value < 0.05
            assert one.estimate.low < one.estimate.value < one.estimate.high

    def test_the_interval_of_a_difference_uses_that_methods_err_on_the_same_clips(self):
        """A method and its copy with a little noise differ by less than their own intervals are wide."""
        records = clips()
        of = scores(records, 1.0, 0)
        almost = of + 0.05 * scores(records, 0.0, 1)
        first, second = compare(records, {"a": verdicts(records, of), "b": verdicts(records, almost)}).methods
        difference, own = second.differences["AUC"].estimate, first.figures["AUC"]
        assert difference.high - difference.low < (own.high - own.low) / 3

    def test_only_clips_that_all_methods_judge_are_ranked(self):
        records = clips()
        of = scores(records, 1.0, 0)
        some = [None if number < 5 else score for number, score in enumerate(of)]
        found = compare(records, {"all": verdicts(records, of), "some": verdicts(records, some)})
        assert (found.real, found.fake, found.identities) == (38, 57, 19)
        assert found.methods[0].figures == found.methods[1].figures
        assert [row["judges"] for row in next(iter(found.tables().values()))] == ["100/100", "95/100"]

    def test_one_method_has_no_differences(self):
        records = clips()
        assert len(compare(records, {"a": verdicts(records, scores(records, 1.0, 0))}).tables()) == 1

    def test_no_common_clip_has_no_figure(self):
        records = clips(2)
        found = compare(records, {"a": verdicts(records, [None] * len(records))})
        assert np.isnan(found.methods[0].figures["AUC"].value)
        assert found.to_dict()["schema"] == "avsync.comparison/1"


class TestMethods:
    def test_an_unknown_name_is_one_line_with_the_known_ones(self):
        with pytest.raises(UsageError, match=r"^--methods: unknown method 'xception'; known: default, .*avh_align"):
            chosen_methods("default,xception")

    def test_a_name_counts_once(self):
        with pytest.raises(UsageError, match="factor is named twice"):
            chosen_methods("factor,default, factor")

    def test_the_file_of_a_checkpoint_is_a_method(self, tmp_path):
        (tmp_path / "mine").mkdir()
        for name in ("mine/model.safetensors", "other.safetensors"):
            (tmp_path / name).write_bytes(b"")
        found = chosen_methods(f"default,{tmp_path}/mine/model.safetensors,{tmp_path}/other.safetensors")
        assert [method.name for method in found] == ["default", "mine", "other"]
        assert found[2].options == {"weights": tmp_path / "other.safetensors"}

    def test_another_backbone_takes_the_place_of_av_hubert(self):
        default, factor = with_backbone(chosen_methods("default,factor"), "temporal")
        assert (default.backbone, factor.backbone) == (None, "temporal")
        assert METHODS["factor"].backbone == "avhubert"

    def test_a_backbone_that_no_method_reads_is_refused(self):
        with pytest.raises(UsageError, match="no method of --methods reads a backbone; these do: speechforensics"):
            with_backbone(chosen_methods("default"), "temporal")

    def test_every_row_says_what_and_its_options_are_those_of_a_setup(self):
        for method in METHODS.values():
            assert method.what
            assert method.options.keys() <= {"checks", "backbone", "reading"}


class TestAVHAlign:
    def settings(self, trim="paper"):
        return Settings("toy", "ab" * 32, ("lips",), trim, "dlib", 0.05)

    def test_figures_are_those_of_its_code(self):
        """eval.py: roc_auc_score and average_precision_score of all clips, label 1 is fake, a high score is fake."""
        records = clips()
        of = scores(records, 1.0, 0).round(1)
        found = PROTOCOLS["avh-align"](records, verdicts(records, of), self.settings())
        label = [int(one.type != REAL) for one in records]
        assert found.overall.auc.value == pytest.approx(roc_auc_score(label, of), abs=1e-9)
        assert found.overall.average_precision.value == pytest.approx(average_precision_score(label, of), abs=1e-9)

    def test_each_type_is_ranked_against_all_real_clips(self):
        records = clips()
        of = scores(records, 1.0, 0)
        found = PROTOCOLS["avh-align"](records, verdicts(records, of), self.settings())
        assert [one.type for one in found.types] == [LIPS, VOICE]
        kept = [number for number, one in enumerate(records) if one.type != VOICE]
        label = [int(records[number].label == "fake") for number in kept]
        assert found.types[0].auc.value == pytest.approx(roc_auc_score(label, of[kept]), abs=1e-9)

    def test_a_clip_without_a_score_is_left_out_and_counted(self):
        records = clips()
        of = [None, *scores(records, 1.0, 0)[1:]]
        found = PROTOCOLS["avh-align"](records, verdicts(records, of), self.settings())
        assert found.notes()[0] == "Judged 39 of 40 real clips; refused: no_face 1."

    def test_it_says_whether_the_clips_are_as_many_as_published(self, monkeypatch):
        records = clips()
        stored = verdicts(records, scores(records, 1.0, 0))
        assert PUBLISHED == {"FakeAVCeleb": (151, 6516), "AV-Deepfake1M": (2495, 7505)}
        notes = PROTOCOLS["avh-align"](records, stored, self.settings()).notes()
        assert notes[2].startswith("Not comparable with the paper, whose tables have 151 real and 6516 fake clips")
        monkeypatch.setitem(PUBLISHED, "FakeAVCeleb", (40, 60))
        notes = PROTOCOLS["avh-align"](records, stored, self.settings()).notes()
        assert notes[2].startswith("As many clips as the table of FakeAVCeleb")

    @pytest.mark.parametrize(("trim", "said"), [("none", "Nothing is trimmed"), ("default", "more than the paper")])
    def test_it_says_what_another_trim_means(self, trim, said):
        records = clips()
        found = PROTOCOLS["avh-align"](records, verdicts(records, scores(records, 1.0, 0)), self.settings(trim))
        assert said in found.notes()[-1]

    def test_it_takes_the_papers_trim_and_all_clips_unless_told_otherwise(self):
        assert choose("avh-align", None, None) == ("all", "paper", "default")
        assert choose("avh-align", "report", "none") == ("report", "none", "none")
        assert choose(None, None, None) == ("report", "default", "default")


class TestCurves:
    def judged(self, distance=1.0, *, calibrated=True):
        records = clips()
        of = scores(records, distance, 0)
        fake = np.array([one.label == "fake" for one in records])
        return Judged(fake, of, norm.sf(of) if calibrated else None)

    def test_roc_equals_scikit_learn(self):
        one = self.judged()
        score = one.score.round(1)
        alarms, hits = roc(one.fake, score)
        theirs = roc_curve(one.fake, score, drop_intermediate=False)
        np.testing.assert_allclose((alarms, hits), theirs[:2], atol=1e-12)

    def test_curves_show_what_was_measured(self):
        one = self.judged()
        (line,) = [line for line in roc_figure({"toy": one}).axes[0].lines if line.get_label().startswith("toy")]
        np.testing.assert_allclose(line.get_xydata().T, roc(one.fake, one.score))
        assert line.get_label() == f"toy (AUC {roc_auc_score(one.fake, one.score):.3f})"

    def test_normal_scores_give_a_straight_det_curve(self):
        rng = np.random.default_rng(0)
        fake = np.arange(20_000) < 10_000
        figure = det_figure({"toy": Judged(fake, rng.normal(size=20_000) + 2 * fake)})
        (line,) = [line for line in figure.axes[0].lines if line.get_label().startswith("toy")]
        x, y = line.get_xydata()[np.abs(line.get_xydata()).max(1) < 2].T
        np.testing.assert_allclose(y, -2 - x, atol=0.1)

    def test_reliability_has_a_point_for_each_bin_that_holds_clips(self):
        figure = reliability_figure({"toy": self.judged()})
        (line,) = [line for line in figure.axes[0].lines if line.get_label().startswith("toy")]
        assert re.fullmatch(r"toy \(ECE 0\.\d{3}\)", line.get_label())
        assert all(1 / 3 <= x <= 1 for x in line.get_xdata())

    def test_every_figure_is_written_twice(self, tmp_path):
        written = write_plots({"a": self.judged(), "b$1": self.judged(0.5)}, tmp_path / "plots")
        assert [path.name for path in written] == [
            f"{name}.{kind}" for name in ("roc", "det", "reliability") for kind in ("svg", "png")
        ]
        assert all(path.stat().st_size > 1000 for path in written)

    def test_the_same_clips_make_the_same_files(self, tmp_path):
        both = [write_plots({"a": self.judged()}, tmp_path / name) for name in ("one", "two")]
        assert [path.read_bytes() for path in both[0]] == [path.read_bytes() for path in both[1]]

    def test_what_is_not_calibrated_has_no_reliability(self, tmp_path):
        written = write_plots({"a": self.judged(calibrated=False)}, tmp_path)
        assert {path.stem for path in written} == {"roc", "det"}

    def test_one_class_alone_has_no_curve(self, tmp_path):
        assert write_plots({"a": Judged(np.zeros(3, bool), np.arange(3.0))}, tmp_path) == []


class TestLatex:
    def test_an_interval_of_negative_numbers_has_no_two_dashes(self):
        assert "-0.130 [-0.240 to -0.020]" in to_latex({"x": [{"fakes": "all", "AUC": Estimate(-0.13, -0.24, -0.02)}]})

    def test_special_characters_are_escaped(self):
        text = to_latex({"100 % of a_b": [{"method": "a_b & c", "AUC": Estimate(0.5, 0.25, 0.75), "p": 0.002}]})
        assert text.splitlines() == [
            r"\begin{table}",
            r"\caption{100 \% of a\_b}",
            r"\begin{tabular}{lrr}",
            r"\toprule",
            r"method & AUC & p \\",
            r"\midrule",
            r"a\_b \& c & 0.500 [0.250--0.750] & 0.002 \\",
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]

    def test_rows_that_belong_to_a_row_above_are_indented(self):
        assert r"\quad Wav2Lip & 3 \\" in to_latex({"x": [{"fakes": "· Wav2Lip", "n": 3}]})

    def test_a_bracket_at_the_start_is_no_argument(self):
        assert r"{}[x] & 3 \\" in to_latex({"x": [{"fakes": "[x]", "n": 3}]})


class Ranked(StandIn):
    """A detector whose model says with which options it was made; fakes score high."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012

    def __init__(self, **options):
        super().__init__(**options)
        self.options = options
        self.model = f"{options.get('checks') or options.get('reading') or 'all'} {options['trim']}"

    def score(self, path, **options):
        Ranked.asked.append((self.model, path.name))
        return super().score(path, **options)


def run(*words):
    return CliRunner().invoke(command_line, [str(word) for word in words])


@pytest.fixture
def folders(tmp_path):
    """Three real clips and three dubbed ones, of six people."""
    for kind in ("real", "fake"):
        for number in range(3):
            place = tmp_path / kind / f"{kind}{number}" / ("clip.mp4" if kind == "real" else "dubbed.mp4")
            place.parent.mkdir(parents=True)
            place.write_bytes(b"?")
    return ["--real", tmp_path / "real", "--fake", tmp_path / "fake", "--role", "all"]


@pytest.fixture
def ranked(monkeypatch):
    Ranked.asked = []
    monkeypatch.setattr(avsync.detector, "Detector", Ranked)
    return Ranked


@pytest.mark.usefixtures("ranked")
class TestCommandLine:
    def test_methods_are_printed_side_by_side_and_kept_in_folders_of_their_own(self, folders, tmp_path):
        result = run("evaluate", *folders, "--methods", "default,voice", "--output", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert "Methods on the 3 real and 3 fake clips that all of them judge" in result.stdout
        assert "Differences to default" in result.stdout
        for name in ("default", "voice"):
            assert len((tmp_path / "out" / name / "verdicts.jsonl").read_text().splitlines()) == 6
        compared = json.loads((tmp_path / "out" / "comparison.json").read_text())
        assert [method["name"] for method in compared["methods"]] == ["default", "voice"]
        assert compared["methods"][1]["differences"]["AUC"]["p_value"] == 1.0

    def test_a_second_run_judges_nothing_again(self, folders, tmp_path, ranked):
        for _ in range(2):
            run("evaluate", *folders, "--methods", "default,voice", "--output", tmp_path / "out")
        assert len(ranked.asked) == 12

    @pytest.mark.parametrize(("name", "said"), [("t.md", "| default | 6/6 |"), ("t.tex", r"default & 6/6 &")])
    def test_a_file_of_tables_and_the_folder_beside_it(self, folders, tmp_path, name, said):
        result = run("evaluate", *folders, "--methods", "default", "--output", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert said in (tmp_path / name).read_text()
        assert (tmp_path / "t" / "default" / "summary.json").exists()

    def test_one_detector_has_a_file_of_tables_too(self, folders, tmp_path):
        assert run("evaluate", *folders, "--output", tmp_path / "t.md").exit_code == 0
        assert "| all | 3/3 |" in (tmp_path / "t.md").read_text()
        assert (tmp_path / "t" / "verdicts.jsonl").exists()

    def test_a_folder_with_a_dot_in_its_name_is_a_folder(self):
        assert places(Path("results.v2")) == (Path("results.v2"), None)
        assert places(Path("a/t.TEX")) == (Path("a/t"), Path("a/t.TEX"))

    @pytest.mark.parametrize("words", [(), ("--methods", "default,voice")])
    def test_curves(self, folders, tmp_path, words):
        plots = tmp_path / "plots"
        result = run("evaluate", *folders, *words, "--output", tmp_path / "out", "--plots", plots)
        assert result.exit_code == 0, result.output
        assert {path.name for path in plots.iterdir()} >= {"roc.svg", "det.png", "reliability.svg"}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--methods", "xception"), "unknown method 'xception'; known: default, lips"),
            (("--methods", "default", "--checks", "lips"), "--checks is of one model"),
            (("--methods", "default", "--weights", __file__), "--weights is of one model"),
            (("--methods", "default", "--backbone", "temporal"), "no method of --methods reads a backbone"),
            (("--methods", "default", "--features", "."), "--features: no method of --methods reads a backbone"),
            (("--methods", "default", "--protocol", "none"), "unknown protocol 'none'; known: clips"),
            (("--methods", "default", "--robustness", "quick"), "--robustness is of one method"),
        ],
    )
    def test_what_means_nothing_together_is_one_line_before_any_work(self, folders, tmp_path, words, said, ranked):
        result = run("evaluate", *folders, *words, "--output", tmp_path / "out")
        assert isinstance(result.exception, UsageError)
        assert said in str(result.exception)
        assert "\n" not in str(result.exception)
        assert ranked.asked == []

    def test_a_published_head_that_is_missing_says_how_to_get_it(self, folders, tmp_path, monkeypatch, ranked):
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "none"))
        result = run("evaluate", *folders, "--methods", "default,avh_align", "--output", tmp_path / "out")
        assert re.match(r"avh_align: AVH-Align_AV1M: .*avsync weights convert", str(result.exception))
        assert ranked.asked == []

    def test_avh_aligns_protocol_trims_as_the_paper_what_is_not_calibrated_otherwise(self, folders, tmp_path, ranked):
        words = ("--protocol", "avh-align", "--output", tmp_path / "out")
        result = run("evaluate", *folders, *words, "--methods", "default,factor", "--backbone", "temporal")
        assert result.exit_code == 0, result.output
        assert {model for model, _ in ranked.asked} == {"all default", "factor paper"}
        assert "default: AVH-Align's protocol: AUC and AP of the clips" in result.stdout
        assert result.stdout.count("Not comparable with the paper") == 1
        assert "default: --trim default leaves out more than the paper" in result.stdout
        assert json.loads((tmp_path / "out" / "factor" / "summary.json").read_text())["protocol"] == "avh-align"


class TestRealModels:
    """Nothing stands in: a talking face, and a tiny AV-HuBERT and a head of random weights in the published formats."""

    @pytest.fixture(scope="class")
    def real_and_fake(self, tmp_path_factory):
        root = tmp_path_factory.mktemp("tree")
        for place, take in (("real/ann", 0), ("fake/ben", 1)):
            (root / place).mkdir(parents=True)
            talking.write(root / place / "1.mp4", talking.face(2.0), talking.voice(2.0, take=take))
        return ["--real", root / "real", "--fake", root / "fake", "--role", "all"]

    @pytest.fixture
    def published(self, tmp_path, monkeypatch):
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "weights"))
        torch.save({"cfg": {"model": OPTIONS}, "model": avhubert_tensors()}, tmp_path / "tiny.pt")
        torch.manual_seed(0)
        head = MLPAligner(MLPConfig(CONFIG.width, CONFIG.width))
        torch.save({"state_dict": head.state_dict()}, tmp_path / "AVH-Align_AV1M.pt")
        for name in ("tiny.pt", "AVH-Align_AV1M.pt"):
            assert run("weights", "convert", tmp_path / name).exit_code == 0

    @pytest.mark.usefixtures("published")
    def test_published_methods_share_the_features_of_their_backbone(self, real_and_fake, tmp_path):
        methods = "avh_align,speechforensics,factor"
        words = ("--methods", methods, "--protocol", "avh-align", "--output", tmp_path / "out")
        result = run("evaluate", *real_and_fake, *words)
        assert result.exit_code == 0, result.output
        assert "Methods on the 1 real and 1 fake clips that all of them judge" in result.stdout
        (store,) = (tmp_path / "out" / "features").glob("*/store.json")
        assert json.loads(store.read_text())["trim"] == "paper"
        alone = run("evaluate", *real_and_fake, "--backbone", "avhubert", "--reading", "factor", "--trim", "paper",
                    "--output", tmp_path / "alone")  # fmt: skip
        assert alone.exit_code == 0, alone.output
        shared, own = (anomaly_scores(tmp_path / place) for place in ("out/factor", "alone"))
        np.testing.assert_allclose(shared, own, atol=2e-3)  # features are kept in half precision


def anomaly_scores(folder):
    lines = (folder / "verdicts.jsonl").read_text().splitlines()
    return [json.loads(line)["verdict"]["anomaly_score"] for line in lines]
