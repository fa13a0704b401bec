"""What avsync.score promises: p-values that are true of real recordings, alone and fused, and verdicts made of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsync.errors import UsageError
from avsync.media import FPS
from avsync.score.calibration import Calibration, Conditions
from avsync.score.evidence import fit_ratio, from_log_p, mean
from avsync.score.judge import fuse, judge_check, judge_track, speakers
from avsync.score.quantiles import SHARES
from avsync.score.readings import READINGS, Reading, readings_of
from avsync.score.reference import Reference
from avsync.score.windows import (
    LONGEST,
    MIN_SPEECH,
    SHORTEST,
    Combined,
    WindowScore,
    can_score,
    sliding_windows,
    windows,
)


class Frames:
    """The least that can be cut into windows."""

    def __init__(self, speech_share, start=2.0):
        self.speech_share, self.start = speech_share, start

    def __len__(self):
        return len(self.speech_share)

    def __getitem__(self, span):
        return Frames(self.speech_share[span], self.start + span.start / FPS)


def frames(count, speech=1.0):
    return Frames(np.full(count, speech, np.float32))


class TestWindows:
    @given(count=st.integers(SHORTEST, 800))
    @settings(deadline=None)
    def test_they_cover_the_clip_in_equal_parts(self, count):
        parts = list(windows(frames(count)))
        assert sum(map(len, parts)) == count
        assert max(map(len, parts)) <= LONGEST
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        ends = [2.0, *(part.start + len(part) / FPS for part in parts)]
        np.testing.assert_allclose([part.start for part in parts], ends[:-1])

    def test_an_empty_clip_has_none(self):
        assert list(windows(frames(0))) == []

    def test_what_is_too_short_or_has_too_little_speech_has_no_score(self):
        assert not can_score(frames(SHORTEST - 1))
        assert can_score(frames(SHORTEST))
        assert not can_score(frames(LONGEST, (MIN_SPEECH - 1) / LONGEST))
        assert can_score(frames(LONGEST, (MIN_SPEECH + 1) / LONGEST))

    def test_sliding_windows_overlap_by_half(self):
        parts = list(sliding_windows(frames(125), 50))
        assert [(part.start, len(part)) for part in parts] == [(2.0, 50), (3.0, 50), (4.0, 50), (5.0, 50)]
        assert list(sliding_windows(frames(49), 50)) == []


# Synthetic people: readings have an offset of the person's own and heavy tails, as real ones do.
LENGTHS = (1.5, 3.0, 5.0)
CHECKS = {"lips": (READINGS["agreement"], READINGS["worst_moment"]), "face": readings_of("face")}
CONDITIONS = Conditions("default", "dlib-68/1")


def people_like(count, seed, each=(1, 6)):
    """Readings by check and name of windows, and whose they are."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"id{seed}-{i}" for i in range(count)], rng.integers(*each, count))
    _, person = np.unique(names, return_inverse=True)

    def drawn(place):
        own = rng.normal(0, 0.7, count)[person]
        return place + 0.5 * (own + 0.7 * rng.standard_t(6, len(names)))

    values = {check: {r.name: drawn(i) for i, r in enumerate(readings)} for check, readings in CHECKS.items()}
    return values, list(names)


def fitted(checks=CHECKS, count=400):
    drawn = {length: people_like(count, seed) for seed, length in enumerate(LENGTHS)}
    values, people = ({length: pair[i] for length, pair in drawn.items()} for i in (0, 1))
    return Calibration.fit(CONDITIONS, values, people, checks)


@pytest.fixture(scope="module")
def calibration():
    return fitted()


@pytest.fixture(scope="module")
def one_by_one():
    """The same people; the checks were calibrated one by one."""
    alone = [fitted({name: readings}) for name, readings in CHECKS.items()]
    return alone[0].joined(alone[1])


@pytest.fixture(scope="module", params=CHECKS)
def check(request):
    return request.param


@pytest.fixture
def reference(calibration, check):
    return calibration.references[check]


def at_share(calibration, share, seconds=3.0):
    """By check, readings that are the quantile of real ones at `share`."""
    row = LENGTHS.index(seconds)
    return {
        check: {name: float(np.interp(share, SHARES, table[row])) for name, table in reference.readings.items()}
        for check, reference in calibration.references.items()
    }


def shifted(readings, by):
    return {check: {name: value + by for name, value in of.items()} for check, of in readings.items()}


def of_window(readings, index):
    return {name: float(values[index]) for name, values in readings.items()}


def round_trip(plain):
    return json.loads(json.dumps(plain, allow_nan=False))


class TestReference:
    def test_comes_back_from_json_as_it_was(self, reference, check):
        again = Reference.from_dict(round_trip(reference.to_dict()), CHECKS[check])
        np.testing.assert_array_equal(again.seconds, LENGTHS)
        np.testing.assert_array_equal(again.people, [400] * len(LENGTHS))
        assert np.abs(again.scores - reference.scores).max() <= 1e-5
        assert again.sign == reference.sign
        assert again.readings.keys() == reference.readings.keys()
        assert all(np.abs(again.readings[n] - table).max() <= 1e-5 for n, table in reference.readings.items())

    def test_holds_quantiles_and_counts_only(self, reference, check):
        plain = reference.to_dict()
        assert set(plain) == {"seconds", "people", "readings", "scored", "scores", "ratio", "scan"}
        assert set(plain["readings"]) == {reading.name for reading in CHECKS[check]}
        for table in (*plain["readings"].values(), plain["scores"]):
            assert np.shape(table) == (len(LENGTHS), 101)
            assert (np.diff(table) >= 0).all()

    def test_everybody_weighs_the_same(self):
        """One person of a thousand windows at 1, nine of one window at 0."""
        values = {3.0: {"agreement": np.array([1.0] * 1000 + [0.0] * 9)}}
        fitted = Reference.fit(values, {3.0: ["a"] * 1000 + [f"b{i}" for i in range(9)]}, [READINGS["agreement"]])
        assert fitted.people.tolist() == [10]
        assert fitted.readings["agreement"][0][85] == 0
        assert fitted.readings["agreement"][0][95] == 1

    @pytest.mark.parametrize("seconds", LENGTHS)
    def test_p_values_are_uniform_on_people_it_has_not_seen(self, reference, check, seconds):
        readings, names = people_like(1000, seed=99, each=(1, 2))
        scores = [reference.score(of_window(readings[check], i), seconds) for i in range(len(names))]
        p = np.array([reference.p_value(score, seconds) for score in scores])
        for level in (0.05, 0.1, 0.25, 0.5, 0.9):
            assert (p <= level).mean() == pytest.approx(level, abs=0.025 + 0.08 * level)

    def test_p_values_of_one_reading_are_two_sided_and_uniform(self, calibration, reference, check):
        readings, names = people_like(1000, seed=98, each=(1, 2))
        for name, values in readings[check].items():
            p = np.array([reference.reading_p_value(name, value, 3.0) for value in values])
            assert len(p) == len(names)
            assert (p <= 0.1).mean() == pytest.approx(0.1, abs=0.045)
            middle, low, high = (at_share(calibration, share)[check][name] for share in (0.5, 0.01, 0.99))
            assert reference.reading_p_value(name, middle, 3.0) > 0.95
            assert max(reference.reading_p_value(name, value, 3.0) for value in (low, high)) < 0.05
            assert reference.percentile(name, middle, 3.0) == pytest.approx(50, abs=1)
            assert (reference.percentile(name, -1e9, 3.0), reference.percentile(name, 1e9, 3.0)) == (0, 100)

    def test_lower_readings_are_more_anomalous(self, calibration, reference, check):
        usual = at_share(calibration, 0.5)
        scores = [reference.score(shifted(usual, -by)[check], 3.0) for by in np.linspace(-3, 30, 60)]
        assert (np.diff(scores) >= 0).all()
        assert (np.diff([reference.p_value(score, 3.0) for score in scores]) <= 0).all()
        assert (np.diff([reference.log_p(score, 3.0) for score in scores]) >= 0).all()

    def test_of_a_reading_that_is_high_for_fakes_higher_ones_are_more_anomalous(self):
        values = {3.0: {"log_mean_exp": np.arange(100.0)}}
        reference = Reference.fit(values, {3.0: list(map(str, range(100)))}, [READINGS["log_mean_exp"]])
        low, high = (reference.score({"log_mean_exp": value}, 3.0) for value in (2.0, 97.0))
        assert reference.p_value(high, 3.0) < 0.05 < 0.95 < reference.p_value(low, 3.0)

    def test_a_reading_without_a_side_does_not_count(self, calibration):
        lips = calibration.references["lips"]
        usual = at_share(calibration, 0.5)["lips"]
        assert lips.score({**usual, "worst_moment": -99.0}, 3.0) == lips.score(usual, 3.0)

    def test_log_p_ranks_what_is_more_anomalous_than_every_real_window(self, calibration, reference, check):
        beyond = [reference.score(shifted(at_share(calibration, 0.0), -by)[check], 3.0) for by in (1, 2)]
        assert reference.p_value(beyond[0], 3.0) == reference.p_value(beyond[1], 3.0)
        assert reference.log_p(beyond[0], 3.0) < reference.log_p(beyond[1], 3.0)
        middle, high = (float(np.interp(s, SHARES, reference.scores[1])) for s in (0.5, 0.9))
        assert 10 ** -reference.log_p(middle, 3.0) == pytest.approx(0.5)
        assert 10 ** -reference.log_p(high, 3.0) == pytest.approx(0.1)

    def test_no_p_value_is_smaller_than_the_reference_can_tell(self, reference, check):
        smallest = pytest.approx(1 / (reference.people[1] + 1))
        assert reference.p_value(1e9, 3.0) == smallest
        assert reference.reading_p_value(CHECKS[check][0].name, -1e9, 3.0) == smallest

    def test_between_the_lengths_measured_quantiles_are_interpolated(self, calibration):
        lips = calibration.references["lips"]
        low, between, high = (lips.percentile("agreement", 0.3, s) for s in (1.5, 2.25, 3.0))
        assert min(low, high) <= between <= max(low, high)
        assert lips.percentile("agreement", 0.3, 0.5) == low
        assert lips.percentile("agreement", 0.3, 60) == lips.percentile("agreement", 0.3, 5.0)


def raw_scores(calibration, readings, seconds=3.0):
    return {check: calibration.references[check].score(of, seconds) for check, of in readings.items()}


def fused(calibration, readings, seconds=3.0):
    """The anomaly score and the p-value of one window of every check."""
    return calibration.fuse(raw_scores(calibration, readings, seconds), dict.fromkeys(readings, seconds))


class TestFusingChecks:
    def test_checks_that_were_calibrated_together_have_uniform_p_values(self, calibration):
        readings, names = people_like(1000, seed=99, each=(1, 2))
        parts = [{check: of_window(of, i) for check, of in readings.items()} for i in range(len(names))]
        p = np.array([fused(calibration, part)[1] for part in parts])
        for level in (0.05, 0.1, 0.25, 0.5, 0.9):
            assert (p <= level).mean() == pytest.approx(level, abs=0.025 + 0.08 * level)

    def test_checks_that_were_not_calibrated_together_keep_the_level(self, one_by_one):
        readings, names = people_like(1000, seed=99, each=(1, 2))
        parts = [{check: of_window(of, i) for check, of in readings.items()} for i in range(len(names))]
        p = np.array([fused(one_by_one, part)[1] for part in parts])
        for level in (0.05, 0.1, 0.25, 0.5, 0.9):
            assert (p <= level).mean() <= level + 0.025

    def test_checks_that_were_not_calibrated_together_have_the_smallest_p_value_times_their_number(
        self, calibration, one_by_one
    ):
        readings = {**at_share(one_by_one, 0.5), "lips": at_share(one_by_one, 0.02)["lips"]}
        raw = raw_scores(one_by_one, readings)
        smallest = min(one_by_one.references[check].p_value(score, 3.0) for check, score in raw.items())
        assert fused(one_by_one, readings)[1] == 2 * smallest
        assert fused(one_by_one, at_share(one_by_one, 0.9))[1] == 1
        logs = [one_by_one.references[check].log_p(score, 3.0) for check, score in raw.items()]
        assert fused(one_by_one, readings)[0] == max(logs)

    def test_one_check_alone_has_its_own_p_value(self, calibration, check):
        readings = {check: at_share(calibration, 0.1)[check]}
        reference, raw = calibration.references[check], raw_scores(calibration, readings)[check]
        assert fused(calibration, readings) == (reference.log_p(raw, 3.0), reference.p_value(raw, 3.0))

    def test_the_order_of_the_checks_does_not_matter(self, calibration):
        readings = at_share(calibration, 0.03)
        assert fused(calibration, dict(reversed(readings.items()))) == fused(calibration, readings)

    def test_each_check_may_have_windows_of_its_own_length(self, calibration):
        raw = raw_scores(calibration, at_share(calibration, 0.03))
        of_face = {length: calibration.fuse(raw, {"lips": 3.0, "face": length}) for length in (1.5, 3.0)}
        assert of_face[1.5] != of_face[3.0]
        assert all(0 < p_value < 1 for _, p_value in of_face.values())

    def test_a_check_that_finds_nothing_costs_the_other_little(self, calibration):
        """A face that is more anomalous than 99 of 100 real ones: the p-value of both is about 0.02, not 0.05."""
        readings = {**at_share(calibration, 0.5), "face": at_share(calibration, 0.01)["face"]}
        alone = calibration.references["face"].p_value(raw_scores(calibration, readings)["face"], 3.0)
        assert alone <= fused(calibration, readings)[1] < 3 * alone + 0.01


class TestEvidence:
    """e-values: on real windows their mean is at most about 1."""

    def test_without_counterexamples_it_is_half_the_root_of_one_over_p(self):
        np.testing.assert_allclose(10 ** from_log_p(np.array([0.0, 2.0, 4.0])), [0.5, 5, 50])

    def test_of_uniform_p_values_the_mean_is_one(self):
        p = np.random.default_rng(0).uniform(size=1_000_000)
        assert (10 ** from_log_p(-np.log10(p))).mean() == pytest.approx(1, abs=0.05)

    def test_with_counterexamples_it_is_their_likelihood_ratio(self):
        """Of two normal distributions one standard deviation apart: x - 0.5 nepers."""
        rng = np.random.default_rng(0)
        real, fake = rng.normal(0, 1, 100_000), rng.normal(1, 1, 20_000)
        slope, offset = fit_ratio(real, np.ones(100_000), fake, np.ones(20_000))
        assert (slope * np.log(10), offset * np.log(10)) == (pytest.approx(1, abs=0.03), pytest.approx(-0.5, abs=0.03))

    def test_counterexamples_apart_from_all_real_windows_give_finite_evidence(self):
        assert np.isfinite(fit_ratio(np.zeros(20), np.ones(20), np.full(40, 5.0), np.ones(40))).all()

    def test_counterexamples_that_look_more_real_than_real_windows_say_nothing(self):
        slope, offset = fit_ratio(np.ones(20), np.ones(20), np.zeros(40), np.ones(40))
        assert (slope, offset) == (0, pytest.approx(0, abs=1e-4))

    def test_the_mean_is_that_of_the_values_themselves(self):
        assert mean([0.0, np.log10(3)]) == pytest.approx(np.log10(2))


def spoiled(data, **changes):
    """The plain data of a calibration with other values of the lips check."""
    return {**data, "checks": {**data["checks"], "lips": {**data["checks"]["lips"], **changes}}}


def spoiled_joint(data, **changes):
    return {**data, "joint": {name: {**table, **changes} for name, table in data["joint"].items()}}


FINE = [[0.0] * 101] * len(LENGTHS)


class TestCalibration:
    def test_comes_back_from_json_as_it_was(self, calibration):
        again = Calibration.from_dict(round_trip(calibration.to_dict()), CHECKS)
        assert again.conditions == calibration.conditions
        assert list(again.references) == list(CHECKS)
        assert again.joint.keys() == calibration.joint.keys() == {("face", "lips")}
        readings = at_share(calibration, 0.03)
        assert fused(again, readings) == pytest.approx(fused(calibration, readings), abs=1e-4)

    def test_holds_quantiles_counts_and_conditions_only(self, calibration):
        plain = calibration.to_dict()
        assert set(plain) == {"conditions", "checks", "joint", "models"}
        assert plain["conditions"] == {"trim": "default", "faces": "dlib-68/1", "version": CONDITIONS.version}
        assert {name: set(table) for name, table in plain["joint"].items()} == {
            "face+lips": {"seconds", "people", "scores"}
        }
        assert "id0-" not in json.dumps(plain)

    def test_of_one_check_alone_has_nothing_joint(self):
        assert fitted({"lips": CHECKS["lips"]}, count=30).joint == {}

    def test_a_check_that_it_lacks_is_left_out(self, calibration):
        again = Calibration.from_dict(calibration.to_dict(), {**CHECKS, "voice": (READINGS["agreement"],)})
        assert set(again.references) == {"lips", "face"}

    def test_a_check_that_is_not_asked_is_left_out(self, calibration):
        again = Calibration.from_dict(calibration.to_dict(), {"face": CHECKS["face"]})
        assert set(again.references) == {"face"}

    def test_a_new_reading_is_reported_and_does_not_count(self, calibration):
        new = Reading("new", "lattice", "lattice:agreement", "low", "made up", "made up")
        readings = (*CHECKS["lips"], new)
        again = Calibration.from_dict(calibration.to_dict(), {"lips": readings}).references["lips"]
        values = {**at_share(calibration, 0.5)["lips"], "new": -99.0}
        judged = judge_check(alone(window_of(values)), readings, "agreement", again)
        assert (judged.score.readings["new"].value, judged.score.readings["new"].percentile) == (-99, None)
        assert judged.score.readings["new"].p_value is None
        assert judged.score.p_value == pytest.approx(0.5, abs=0.02)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda d: None,
            lambda d: [],
            lambda d: "quantiles",
            lambda d: {},
            lambda d: {**d, "conditions": None},
            lambda d: {**d, "conditions": {**d["conditions"], "version": CONDITIONS.version - 1}},
            lambda d: {**d, "conditions": {**d["conditions"], "version": CONDITIONS.version + 1}},
            lambda d: {**d, "conditions": {**d["conditions"], "version": None}},
            lambda d: {**d, "conditions": {"trim": "default"}},
            lambda d: {**d, "checks": None},
            lambda d: {**d, "checks": {"lips": None}},
            lambda d: {**d, "checks": {"lips": {}}},
            lambda d: spoiled(d, seconds=[]),
            lambda d: spoiled(d, seconds="3"),
            lambda d: spoiled(d, seconds=LENGTHS[::-1]),
            lambda d: spoiled(d, seconds=[0.0, 1.0, 2.0]),
            lambda d: spoiled(d, seconds=[1.0, 2.0, float("nan")]),
            lambda d: spoiled(d, seconds=[1.0, 2.0, float("inf")]),
            lambda d: spoiled(d, seconds=[[1.0, 2.0, 3.0]]),
            lambda d: spoiled(d, people=[400]),
            lambda d: spoiled(d, people=[400, 400, 0]),
            lambda d: spoiled(d, people=[400, -400, 400]),
            lambda d: spoiled(d, people=[400, float("nan"), 400]),
            lambda d: spoiled(d, people=[400, "many", 400]),
            lambda d: spoiled(d, scored=[]),
            lambda d: spoiled(d, scored=None),
            lambda d: spoiled(d, scored=["agreement", "of a later version"]),
            lambda d: spoiled(d, scored=["worst_moment"]),
            lambda d: spoiled(d, scores=None),
            lambda d: spoiled(d, scores=FINE[1:]),
            lambda d: spoiled(d, scores=[[0.0] * 100] * 3),
            lambda d: spoiled(d, scores=[[float("nan")] * 101] * 3),
            lambda d: spoiled(d, readings={}),
            lambda d: spoiled(d, readings=["agreement", "worst_moment"]),
            lambda d: spoiled(d, readings={"agreement": [[0.0] * 100] * 3, "worst_moment": FINE}),
            lambda d: spoiled(d, readings={"agreement": [["x"] * 101] * 3, "worst_moment": FINE}),
            lambda d: spoiled(d, readings={"agreement": FINE, "worst_moment": [[float("nan")] * 101] * 3}),
            lambda d: {**d, "joint": None},
            lambda d: {**d, "joint": {"face+lips": None}},
            lambda d: spoiled_joint(d, scores=[[float("nan")] * 101] * 3),
            lambda d: spoiled_joint(d, scores=FINE[1:]),
            lambda d: spoiled_joint(d, people=[400, 400, -1]),
            lambda d: spoiled_joint(d, seconds=[3.0, 2.0, 1.0]),
        ],
    )
    def test_anything_else_is_a_usage_error(self, calibration, spoil):
        with pytest.raises(UsageError, match="run avsync calibrate"):
            Calibration.from_dict(spoil(calibration.to_dict()), CHECKS)


def window_of(readings, start=0.0, seconds=3.0, track=0):
    box = np.array([10.0, 20.0, 110.0, 120.0])
    return WindowScore(track, start, seconds, 0.8 * seconds, box, dict(readings))


def alone(*parts, lag=0):
    """The windows of one face; their mean is its score."""
    return Combined(parts, parts, lag)


def judged_checks(calibration, parts, lag=0):
    """Every check on one face, of windows that are given as start and readings by check."""
    return {
        name: judge(calibration, name, [window_of(readings[name], start) for start, readings in parts], lag)
        for name in CHECKS
    }


def judge(calibration, name, parts, lag=0):
    """One check on one face, ranked by its first reading."""
    reference = calibration.references[name] if calibration else None
    combined = alone(*parts, lag=lag if name == "lips" else None)
    return judge_check(combined, CHECKS[name], CHECKS[name][0].name, reference)


def judged(calibration, *readings, level=0.05, track=0, starts=None, lag=0):
    """The verdict on one face of windows with these readings, one after another."""
    starts = [3.0 * index for index in range(len(readings))] if starts is None else starts
    checks = judged_checks(calibration, list(zip(starts, readings, strict=True)), lag)
    return judge_track(track, checks, calibration, level)


class TestJudging:
    def test_one_window(self, calibration):
        readings = {**at_share(calibration, 0.5)}
        readings["lips"] = {**readings["lips"], "agreement": at_share(calibration, 0.02)["lips"]["agreement"]}
        verdict = judged(calibration, readings, track=3, starts=[7.0], lag=-2, level=0.1)
        assert (verdict.track, verdict.start, verdict.end, verdict.lag_ms) == (3, 7.0, 10.0, -80)
        assert (verdict.box, verdict.speech_seconds) == ((10, 20, 110, 120), pytest.approx(2.4))
        lips, raw = calibration.references["lips"], raw_scores(calibration, readings)
        assert verdict.checks["lips"].p_value == lips.p_value(raw["lips"], 3.0) < 0.05
        assert verdict.checks["lips"].anomaly_score == lips.log_p(raw["lips"], 3.0)
        assert verdict.checks["face"].p_value > 0.3
        assert (verdict.anomaly_score, verdict.p_value) == fused(calibration, readings)
        reading = verdict.checks["lips"].readings["agreement"]
        assert (reading.value, reading.percentile) == (readings["lips"]["agreement"], pytest.approx(2, abs=0.1))
        assert reading.p_value == lips.reading_p_value("agreement", reading.value, 3.0)
        assert [(s.start, s.end, s.p_value) for s in verdict.segments] == [(7.0, 10.0, verdict.p_value)]

    def test_a_check_tells_how_many_people_it_was_compared_with(self, calibration):
        """Between the lengths measured the number is interpolated."""
        readings = at_share(calibration, 0.5)["lips"]
        reference = replace(calibration.references["lips"], seconds=np.array([2.0, 4.0]), people=np.array([40.0, 20.0]))
        combined = alone(window_of(readings))
        assert judge_check(combined, CHECKS["lips"], "agreement", reference).people == 30
        assert judge_check(combined, CHECKS["lips"], "agreement", None).people is None

    def test_every_window_has_its_score_and_p_value(self, calibration):
        parts = [at_share(calibration, share) for share in (0.5, 0.03)]
        lips, checks = calibration.references["lips"], judged_checks(calibration, list(enumerate(parts)))
        raw = [lips.score(part["lips"], 3.0) for part in parts]
        assert [(w.start, w.end, w.track) for w in checks["lips"].windows] == [(0.0, 3.0, 0), (1.0, 4.0, 0)]
        assert [w.anomaly_score for w in checks["lips"].windows] == [lips.log_p(score, 3.0) for score in raw]
        assert [w.p_value for w in checks["lips"].windows] == [lips.p_value(score, 3.0) for score in raw]

    def test_either_check_can_make_it_anomalous(self, calibration):
        usual, far = at_share(calibration, 0.5), shifted(at_share(calibration, 0.5), -9)
        for name in CHECKS:
            verdict = judged(calibration, {**usual, name: far[name]})
            assert verdict.p_value < 0.05
            assert min(verdict.checks, key=lambda check: verdict.checks[check].p_value) == name

    def test_a_real_clip_has_no_segments_and_no_small_p_value(self, calibration):
        verdict = judged(calibration, *[at_share(calibration, 0.6)] * 4)
        assert verdict.segments == []
        assert verdict.p_value > 0.5

    def test_one_anomalous_window_of_many_is_found_and_named(self, calibration):
        usual, far = at_share(calibration, 0.6), shifted(at_share(calibration, 0.0), -1)
        verdict = judged(calibration, usual, usual, far, usual, usual)
        assert [(s.start, s.end) for s in verdict.segments] == [(6.0, 9.0)]
        assert judged(calibration, far).p_value < verdict.p_value

    def test_windows_that_are_all_a_little_anomalous_are_anomalous_together(self, calibration):
        assert judged(calibration, *[at_share(calibration, 0.02)] * 6).p_value < 0.5

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("together", [True, False], ids=["calibrated together", "calibrated one by one"])
    def test_real_clips_are_called_suspicious_at_most_as_often_as_the_level_says(
        self, calibration, one_by_one, count, together
    ):
        readings, names = people_like(400, seed=97, each=(count, count + 1))
        parts = [{check: of_window(of, i) for check, of in readings.items()} for i in range(len(names))]
        used = calibration if together else one_by_one
        p = np.array([judged(used, *parts[at : at + count]).p_value for at in range(0, len(names), count)])
        for level in (0.05, 0.2):
            assert np.mean(p <= level) <= level + 0.02
        assert np.mean(p <= 0.2) > (0.04 if together else 0)

    def test_without_calibration_readings_are_reported_and_one_of_them_ranks(self, calibration):
        readings = at_share(calibration, 0.3)
        verdict = judged(None, readings)
        assert verdict.anomaly_score == -readings["lips"]["agreement"]
        assert (verdict.p_value, verdict.segments) == (None, [])
        assert {check.p_value for check in verdict.checks.values()} == {None}
        assert verdict.checks["face"].anomaly_score == -readings["face"][CHECKS["face"][0].name]

    def test_without_calibration_a_reading_that_is_high_for_fakes_ranks_as_it_is(self):
        combined = alone(window_of({"log_mean_exp": 0.7}))
        assert judge_check(combined, [READINGS["log_mean_exp"]], "log_mean_exp", None).score.anomaly_score == 0.7

    def test_a_check_of_the_whole_recording_joins_a_face_and_does_not_change_when_it_is_seen(self, calibration):
        face = judged_checks(calibration, [(2.0, at_share(calibration, 0.5))])
        heard = window_of(at_share(calibration, 0.01)["face"], start=0.0, seconds=5.0, track=None)
        whole = judge(calibration, "face", [replace(heard, box=None)])
        verdict = judge_track(0, {"lips": face["lips"], "face": whole}, calibration, 0.05)
        assert (verdict.start, verdict.end, verdict.box) == (2.0, 5.0, (10, 20, 110, 120))
        assert verdict.p_value == fuse({"lips": face["lips"], "face": whole}, calibration)[1]
        assert verdict.checks["face"].p_value == whole.score.p_value


class TestSpeakers:
    @pytest.fixture
    def face(self, calibration):
        def seen(track, start, end, agreement):
            readings = at_share(calibration, 0.5)
            readings["lips"] = {**readings["lips"], "agreement": agreement}
            parts = {name: window_of(readings[name], start, end - start, track) for name in CHECKS}
            checks = {name: judge(calibration, name, [part]) for name, part in parts.items()}
            return judge_track(track, checks, calibration, 0.05)

        return seen

    def test_of_faces_seen_together_the_one_that_fits_speaks(self, face):
        listens, speaks = face(0, 0.0, 5.0, agreement=-1.0), face(1, 0.0, 5.0, agreement=2.0)
        assert speakers([listens, speaks]) == [speaks]

    def test_faces_one_after_the_other_all_speak(self, face):
        tracks = [face(0, 0.0, 5.0, -1.0), face(1, 5.0, 9.0, 2.0), face(2, 8.0, 14.0, 0.5)]
        assert {track.track for track in speakers(tracks)} == {0, 1, 2}

    def test_a_listener_does_not_speak_even_where_two_others_speak_in_turn(self, face):
        tracks = [face(0, 0.0, 10.0, 0.1), face(1, 0.0, 5.0, 2.0), face(2, 5.0, 10.0, 2.0)]
        assert {track.track for track in speakers(tracks)} == {1, 2}

    def test_one_face_speaks(self, face):
        alone = face(0, 0.0, 5.0, -9.0)
        assert speakers([alone]) == [alone]
