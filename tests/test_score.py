"""What avsync.score promises: readings that mean what they say, and p-values that are true of real clips."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, uniform_filter1d

from avsync.align import TemporalConfig, TemporalAligner, lattice, mean_over_time
from avsync.clip import SAMPLES, FaceClip
from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.errors import UsageError
from avsync.face import FaceDetector, FaceTracker
from avsync.media import FPS
from avsync.score.evidence import Evidence, gather
from avsync.score.judge import judge_track, speakers
from avsync.score.kinematics import lip_acceleration
from avsync.score.readings import ASPECTS, MAX_LAG, READINGS, TAU, lag_of, read_lattice, read_pictures
from avsync.score.reference import SHARES, Reference
from avsync.score.readings.face import brow_motion, face_frames, mouth_detail, mouth_temporal_noise, mouth_motion_variability
from avsync.score.windows import LONGEST, MIN_SPEECH, SHORTEST, windows

WARM = 12.0  # a temperature


def features(frames, seed=0, size=16):
    return torch.nn.functional.normalize(
        torch.randn(frames, size, generator=torch.Generator().manual_seed(seed)), dim=1
    )


def read(lips, speech, weight=None):
    """Readings and lag of two sequences of features."""
    weight = torch.ones(len(lips)) if weight is None else weight
    grid = lattice(lips, speech, weight, WARM, TAU)
    curve = mean_over_time(grid, weight)
    return read_lattice(grid, weight, curve), lag_of(curve.numpy())


class TestReadingTheLattice:
    @pytest.mark.parametrize("lag", [-MAX_LAG, -3, 0, 5, MAX_LAG])
    def test_the_lag_is_where_the_best_fit_was_planted(self, lag):
        lips = features(90)
        readings, found = read(lips, torch.roll(lips, lag, dims=0))
        assert found == lag
        assert readings["agreement"] > 2.5

    def test_a_lag_beyond_what_real_files_show_is_not_compensated(self):
        lips = features(90)
        assert read(lips, torch.roll(lips, MAX_LAG + 3, dims=0))[0]["agreement"] < 1

    def test_a_curve_that_cannot_be_judged_has_no_lag(self):
        assert lag_of(np.full(2 * TAU + 1, np.nan)) == 0

    @pytest.mark.parametrize(("before", "after"), [(20, 0), (0, 31), (13, 50)])
    def test_added_silence_changes_nothing(self, before, after):
        lips, speech = features(90), features(90)
        weight = torch.rand(90, generator=torch.Generator().manual_seed(1))
        silent = [torch.cat([features(before, 2), x, features(after, 3)]) for x in (lips, speech)]
        heard = torch.cat([torch.zeros(before), weight, torch.zeros(after)])
        plain, padded = read(lips, speech, weight), read(*silent, heard)
        assert padded[1] == plain[1]
        assert padded[0] == pytest.approx(plain[0], abs=2e-3)

    def test_agreement_does_not_grow_with_the_clip(self):
        lips, speech = (torch.nn.functional.normalize(features(1200) + features(1200, seed)) for seed in (1, 2))
        short = np.mean([read(*part)[0]["agreement"] for part in zip(lips.split(75), speech.split(75), strict=True)])
        assert read(lips, speech)[0]["agreement"] == pytest.approx(short, rel=0.1)

    def test_speech_of_somebody_else_agrees_less(self):
        lips = features(90)
        assert read(lips, features(90, 7))[0]["agreement"] < 0.5 < read(lips, lips)[0]["agreement"]

    def test_one_dubbed_moment_is_the_worst_moment(self):
        lips = features(125)
        speech = lips.clone()
        speech[60:75] = features(15, 5)
        dubbed, whole = read(lips, speech)[0], read(lips, lips)[0]
        assert dubbed["worst_moment"] < whole["worst_moment"] - 2
        assert dubbed["agreement"] > 0.7 * whole["agreement"]

    def test_a_moment_of_silence_is_no_moment(self):
        lips = features(125)
        speech, weight = lips.clone(), torch.ones(125)
        speech[60:75], weight[58:77] = features(15, 5), 0.01
        assert read(lips, speech, weight)[0]["worst_moment"] == pytest.approx(
            read(lips, lips, weight)[0]["worst_moment"], abs=0.1
        )


@pytest.fixture(scope="module")
def clip():
    """Three seconds of the demo's talking face."""
    said = speak(3.0, seed=0)
    tracker = FaceTracker(FaceDetector())
    faces = [tracker.update(picture[..., 1])[0] for picture in talk(said.opening, said.width, seed=0)]
    return FaceClip(
        track=0,
        start=10.0,
        patches=np.array([face.patch for face in faces]),
        points=np.array([face.points for face in faces]),
        squares=np.array([face.square for face in faces]),
        waveform=said.waveform,
        speech=np.ones(len(faces), np.float32),
    )


def texture(seed=0):
    """A face-sized field of fine and coarse detail, float32 [80, 80] grey levels."""
    noise = np.random.default_rng(seed).standard_normal((80, 80))
    return np.float32(128 + 12 * noise + 60 * gaussian_filter(noise, 3))


class TestReadingThePictures:
    SPOKEN = np.ones(60, np.float32)

    def moving(self, steps):
        """A texture that has moved `steps[t]` pixels further at frame t."""
        return np.stack([np.roll(texture(), at, axis=0) for at in np.cumsum(steps)])

    def test_a_blurred_mouth_has_less_detail(self, clip):
        blurred = clip.patches.copy()
        for patch, points in zip(blurred, clip.points, strict=True):
            (left, top), (right, bottom) = (points[48:68].min(axis=0) - 9).astype(int), points[48:68].max(axis=0) + 9
            mouth = np.s_[top : int(bottom), left : int(right)]
            patch[mouth] = gaussian_filter(patch[mouth].astype(float), 2)
        changed = read_pictures(replace(clip, patches=blurred))
        assert changed["mouth_detail"] < read_pictures(clip)["mouth_detail"] - 0.5

    def test_smoothed_lips_accelerate_less(self, clip):
        smooth = uniform_filter1d(clip.landmarks, 5, axis=0)
        assert lip_acceleration(smooth, clip.speech) < lip_acceleration(clip.landmarks, clip.speech) - 0.5

    def test_the_heads_motion_is_no_acceleration_of_the_lips(self, clip):
        drift = 40 * np.sin(np.arange(len(clip)) / 2)[:, None, None]
        landmarks = (clip.landmarks + drift) * 2
        assert lip_acceleration(landmarks, clip.speech) == pytest.approx(
            lip_acceleration(clip.landmarks, clip.speech), abs=1e-3
        )

    def test_even_motion_has_less_rhythm(self):
        bursts = self.moving([2, 2, 2, 0, 0, 0] * 10)
        assert mouth_motion_variability(self.moving([1] * 60), self.SPOKEN) < mouth_motion_variability(bursts, self.SPOKEN) - 1

    def test_texture_that_is_carried_along_flickers_less(self):
        fresh = np.stack([texture(seed) for seed in range(60)])
        assert mouth_temporal_noise(self.moving([0] * 60), self.SPOKEN) < mouth_temporal_noise(fresh, self.SPOKEN) - 1

    def test_a_still_brow_stirs_less(self):
        faces = self.moving([1, 0, 0] * 20)
        still = faces.copy()
        still[:, :20] = faces[0, :20]
        assert brow_motion(still, self.SPOKEN) < brow_motion(faces, self.SPOKEN) - 1
        assert mouth_motion_variability(still, self.SPOKEN) == mouth_motion_variability(faces, self.SPOKEN)

    @pytest.mark.parametrize("reading", [mouth_detail, mouth_temporal_noise, brow_motion, mouth_motion_variability])
    def test_silent_frames_do_not_count(self, reading):
        faces, weight = self.moving([1, 0, 2] * 20), self.SPOKEN.copy()
        weight[40:] = 0
        changed = faces.copy()
        changed[41:] = np.random.default_rng(0).uniform(0, 255, changed[41:].shape)
        assert reading(changed, weight) == pytest.approx(reading(faces, weight), abs=1e-3)

    def test_faces_are_aligned(self, clip):
        """Eyes and nose stay in place while the head moves."""
        faces = face_frames(clip.patches, clip.points)
        assert faces.shape == (len(clip), 80, 80)
        eyes = faces[:, 13:25, 15:62]
        assert np.median(np.abs(eyes - np.median(eyes, axis=0))) < 6

    def test_a_photograph_gives_numbers_still(self, clip):
        """Somebody speaks over a still picture: landmarks and pixels do not move at all."""
        still = replace(
            clip,
            **{
                name: np.repeat(getattr(clip, name)[:1], len(clip), axis=0) for name in ("patches", "points", "squares")
            },
        )
        moving = read_pictures(clip)
        for name, value in read_pictures(still).items():
            assert np.isfinite(value)
            assert name == "mouth_detail" or value < moving[name] - 1

    @pytest.mark.parametrize("level", [0, 255])
    def test_a_flat_picture_gives_numbers_still(self, clip, level):
        assert np.isfinite(list(read_pictures(replace(clip, patches=np.full_like(clip.patches, level))).values())).all()


class TestEvidence:
    def test_is_what_a_window_shows(self, clip):
        torch.manual_seed(0)
        model = TemporalAligner(TemporalConfig(width=8, components=4))
        model.mean_face[:] = torch.from_numpy(clip.landmarks.mean(axis=0))
        evidence = gather(model.eval(), clip[10:60])
        assert set(evidence.readings) == set(READINGS)
        assert np.isfinite(list(evidence.readings.values())).all()
        assert evidence.curve.shape == (2 * TAU + 1,)
        assert (evidence.start, evidence.seconds, evidence.speech_seconds) == (10.4, 2.0, 2.0)
        np.testing.assert_allclose(
            evidence.box[2] - evidence.box[0], np.median(clip.squares[10:60, 2]) / 1.6, rtol=0.01
        )

    def test_a_slice_keeps_pictures_and_sound_together(self, clip):
        part = clip[20:45]
        assert (len(part), part.start) == (25, pytest.approx(10.8))
        np.testing.assert_array_equal(part.waveform, clip.waveform[20 * SAMPLES : 45 * SAMPLES])
        np.testing.assert_array_equal(part.patches, clip.patches[20:45])
        np.testing.assert_array_equal(part.landmarks, clip.landmarks[20:45])


class TestWindows:
    def clip(self, frames, speech=1.0):
        return FaceClip(
            0,
            2.0,
            np.zeros((frames, 1, 1), np.uint8),
            np.zeros((frames, 68, 2), np.float32),
            np.zeros((frames, 3), np.int64),
            np.zeros(frames * SAMPLES, np.float32),
            np.full(frames, speech, np.float32),
        )

    @given(frames=st.integers(SHORTEST, 800))
    @settings(deadline=None)
    def test_they_cover_the_clip_in_equal_parts(self, frames):
        parts = list(windows(self.clip(frames)))
        assert sum(map(len, parts)) == frames
        assert max(map(len, parts)) <= LONGEST
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        ends = [2.0, *(part.start + len(part) / FPS for part in parts)]
        np.testing.assert_allclose([part.start for part in parts], ends[:-1])

    def test_what_is_too_short_or_too_silent_is_left_out(self):
        assert list(windows(self.clip(SHORTEST - 1))) == []
        assert list(windows(self.clip(0))) == []
        assert list(windows(self.clip(LONGEST, speech=(MIN_SPEECH - 1) / LONGEST))) == []
        assert len(list(windows(self.clip(LONGEST, speech=(MIN_SPEECH + 1) / LONGEST)))) == 1


# Synthetic people: readings have an offset of the person's own and heavy tails, as real ones do.
LENGTHS = (1.5, 3.0, 5.0)


def people_like(count, seed, each=(1, 6)):
    """Readings by name of windows, and whose they are."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"id{seed}-{i}" for i in range(count)], rng.integers(*each, count))
    _, person = np.unique(names, return_inverse=True)
    readings = {}
    for place, name in enumerate(READINGS):
        own = rng.normal(0, 0.7, count)[person]
        readings[name] = place + 0.5 * (own + 0.7 * rng.standard_t(6, len(names)))
    return readings, list(names)


@pytest.fixture(scope="module")
def reference():
    drawn = {length: people_like(400, seed) for seed, length in enumerate(LENGTHS)}
    return Reference.fit({n: r for n, (r, _) in drawn.items()}, {n: p for n, (_, p) in drawn.items()})


def window(readings, index=0, seconds=3.0, start=0.0, lag=0):
    box = np.array([10.0, 20.0, 110.0, 120.0])
    values = {name: float(np.atleast_1d(value)[index]) for name, value in readings.items()}
    curve = np.full(2 * TAU + 1, values["agreement"] - 1)
    curve[TAU + lag] = values["agreement"]
    return Evidence(start, seconds, 0.8 * seconds, box, curve, values)


def at_share(reference, share, seconds=3.0):
    """A window whose every reading is the quantile of real ones at `share`."""
    row = LENGTHS.index(seconds)
    return {name: float(np.interp(share, SHARES, reference.readings[name][row])) for name in READINGS}


def shifted(readings, by):
    return {name: value + by for name, value in readings.items()}


class TestReference:
    def test_comes_back_from_json_as_it_was(self, reference):
        again = Reference.from_dict(json.loads(json.dumps(reference.to_dict(), allow_nan=False)))
        np.testing.assert_array_equal(again.seconds, LENGTHS)
        np.testing.assert_array_equal(again.people, [400] * len(LENGTHS))
        assert np.abs(again.surprise - reference.surprise).max() <= 1e-5
        for mine, other in ((reference.readings, again.readings), (reference.oddness, again.oddness)):
            assert mine.keys() == other.keys()
            assert all(np.abs(mine[name] - other[name]).max() <= 1e-5 for name in mine)

    def test_holds_quantiles_and_counts_only(self, reference):
        plain = reference.to_dict()
        assert set(plain) == {"seconds", "people", "readings", "oddness", "surprise"}
        assert set(plain["readings"]) == set(READINGS)
        assert set(plain["oddness"]) == set(ASPECTS)
        for table in (*plain["readings"].values(), *plain["oddness"].values(), plain["surprise"]):
            assert np.shape(table) == (len(LENGTHS), 101)
            assert (np.diff(table) >= 0).all()

    def test_everybody_weighs_the_same(self):
        """One person of a thousand windows at 1, nine of one window at 0."""
        readings = {name: np.array([1.0] * 1000 + [0.0] * 9) for name in READINGS}
        fitted = Reference.fit({3.0: readings}, {3.0: ["a"] * 1000 + [f"b{i}" for i in range(9)]})
        assert fitted.people.tolist() == [10]
        assert fitted.readings["agreement"][0][85] == 0
        assert fitted.readings["agreement"][0][95] == 1

    @pytest.mark.parametrize("aspect", ASPECTS)
    @pytest.mark.parametrize("seconds", LENGTHS)
    def test_p_values_are_uniform_on_people_it_has_not_seen(self, reference, aspect, seconds):
        readings, names = people_like(1000, seed=99, each=(1, 2))
        odd = [reference.odd(aspect, window(readings, i).readings, seconds) for i in range(len(names))]
        p = np.array([reference.p_odd(aspect, value, seconds) for value in odd])
        for level in (0.05, 0.1, 0.25, 0.5, 0.9):
            assert (p <= level).mean() == pytest.approx(level, abs=0.025 + 0.08 * level)

    @pytest.mark.parametrize("name", READINGS)
    def test_p_values_of_one_reading_are_two_sided_and_uniform(self, reference, name):
        readings, names = people_like(1000, seed=98, each=(1, 2))
        p = np.array([reference.p_value(name, value, 3.0) for value in readings[name]])
        assert len(p) == len(names)
        assert (p <= 0.1).mean() == pytest.approx(0.1, abs=0.045)
        middle, low, high = (at_share(reference, share)[name] for share in (0.5, 0.01, 0.99))
        assert reference.p_value(name, middle, 3.0) > 0.95
        assert max(reference.p_value(name, low, 3.0), reference.p_value(name, high, 3.0)) < 0.05
        assert reference.percentile(name, middle, 3.0) == pytest.approx(50, abs=1)
        assert (reference.percentile(name, -1e9, 3.0), reference.percentile(name, 1e9, 3.0)) == (0, 100)

    @pytest.mark.parametrize("aspect", ASPECTS)
    def test_lower_readings_are_odder(self, reference, aspect):
        odd = [reference.odd(aspect, shifted(at_share(reference, 0.5), -by), 3.0) for by in np.linspace(-3, 30, 60)]
        assert (np.diff(odd) >= 0).all()
        assert (np.diff([reference.p_odd(aspect, value, 3.0) for value in odd]) <= 0).all()
        assert (np.diff([reference.surprises({aspect: value}, 3.0) for value in odd]) >= 0).all()

    @pytest.mark.parametrize("aspect", ASPECTS)
    def test_surprise_tells_apart_what_is_odder_than_every_real_clip(self, reference, aspect):
        odd = [reference.odd(aspect, shifted(at_share(reference, 0.0), -by), 3.0) for by in (1, 2)]
        assert reference.p_odd(aspect, odd[0], 3.0) == reference.p_odd(aspect, odd[1], 3.0)
        assert reference.surprises({aspect: odd[0]}, 3.0) < reference.surprises({aspect: odd[1]}, 3.0)
        middle, high = (float(np.interp(s, SHARES, reference.oddness[aspect][1])) for s in (0.5, 0.9))
        assert 10 ** -reference.surprises({aspect: middle}, 3.0) == pytest.approx(0.5)
        assert 10 ** -reference.surprises({aspect: high}, 3.0) == pytest.approx(0.1)

    def test_no_p_value_is_smaller_than_the_reference_can_tell(self, reference):
        count = reference.people[1]
        assert reference.p_odd("speech", 1e9, 3.0) == pytest.approx(1 / (count + 1))
        assert reference.p_value("agreement", -1e9, 3.0) == pytest.approx(1 / (count + 1))

    def test_between_the_lengths_measured_quantiles_are_interpolated(self, reference):
        low, between, high = (reference.percentile("agreement", 0.3, s) for s in (1.5, 2.25, 3.0))
        assert min(low, high) <= between <= max(low, high)
        assert reference.percentile("agreement", 0.3, 0.5) == low
        assert reference.percentile("agreement", 0.3, 60) == reference.percentile("agreement", 0.3, 5.0)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda d: None,
            lambda d: [],
            lambda d: "quantiles",
            lambda d: {},
            lambda d: {**d, "seconds": []},
            lambda d: {**d, "seconds": "3"},
            lambda d: {**d, "seconds": d["seconds"][::-1]},
            lambda d: {**d, "people": d["people"][:1]},
            lambda d: {**d, "surprise": None},
            lambda d: {**d, "readings": {}},
            lambda d: {**d, "readings": list(d["readings"])},
            lambda d: {**d, "readings": {**d["readings"], "agreement": [[0.0] * 100] * 3}},
            lambda d: {**d, "readings": {**d["readings"], "agreement": [["x"] * 101] * 3}},
            lambda d: {**d, "oddness": {**d["oddness"], "speech": [[float("nan")] * 101] * 3}},
            lambda d: {"seconds": [], "people": [], "readings": {}, "oddness": {}, "surprise": []},
        ],
    )
    def test_anything_else_is_a_usage_error(self, reference, spoil):
        with pytest.raises(UsageError, match="run avsync calibrate"):
            Reference.from_dict(spoil(reference.to_dict()))


class TestJudging:
    def test_one_window(self, reference):
        readings = {**at_share(reference, 0.5), "agreement": at_share(reference, 0.02)["agreement"]}
        verdict = judge_track(3, [window(readings, start=7.0, lag=-2)], reference, level=0.1)
        assert (verdict.track, verdict.start, verdict.end, verdict.lag_ms) == (3, 7.0, 10.0, -80)
        assert (verdict.box, verdict.speech_seconds) == ((10, 20, 110, 120), pytest.approx(2.4))
        odd = reference.odd("speech", readings, 3.0)
        assert verdict.aspects["speech"] == reference.p_odd("speech", odd, 3.0) < 0.05
        assert verdict.aspects["picture"] > 0.3
        assert verdict.p_value == reference.p_surprise(verdict.oddness, 3.0)
        assert verdict.oddness == reference.surprises({"speech": odd}, 3.0)
        reading = verdict.readings["agreement"]
        assert (reading.value, reading.percentile) == (readings["agreement"], pytest.approx(2, abs=0.1))
        assert [(s.start, s.end, s.p_value) for s in verdict.segments] == [(7.0, 10.0, verdict.p_value)]

    def test_either_aspect_can_make_it_odd(self, reference):
        usual = at_share(reference, 0.5)
        for aspect, names in ASPECTS.items():
            odd = judge_track(0, [window({**usual, **{n: usual[n] - 9 for n in names}})], reference, level=0.05)
            assert odd.p_value < 0.05
            assert min(odd.aspects, key=odd.aspects.__getitem__) == aspect

    def test_a_real_clip_has_no_segments_and_no_small_p_value(self, reference):
        verdict = judge_track(0, [window(at_share(reference, 0.6)) for _ in range(4)], reference, level=0.05)
        assert verdict.segments == []
        assert verdict.p_value > 0.5

    def test_one_odd_window_of_many_is_found_and_named(self, reference):
        usual, odd = at_share(reference, 0.6), shifted(at_share(reference, 0.0), -1)
        parts = [window(odd if i == 2 else usual, start=3.0 * i) for i in range(5)]
        verdict = judge_track(0, parts, reference, level=0.05)
        assert [(s.start, s.end) for s in verdict.segments] == [(6.0, 9.0)]
        alone = judge_track(0, [parts[2]], reference, level=0.05)
        assert alone.p_value < verdict.p_value

    def test_windows_that_are_all_a_little_odd_are_odd_together(self, reference):
        little = window(at_share(reference, 0.02))
        assert judge_track(0, [little] * 6, reference, level=0.05).p_value < 0.5

    def test_the_lag_is_that_of_all_windows_by_their_speech(self, reference):
        short, long = (
            replace(window(at_share(reference, 0.5), lag=lag), speech_seconds=s) for lag, s in ((4, 1), (1, 3))
        )
        verdict = judge_track(0, [short, long], reference, level=0.05)
        assert (verdict.lag_ms, verdict.speech_seconds) == (40, 4)

    def test_windows_that_find_different_lags_fit_less_together(self, reference):
        same, other = (window(at_share(reference, 0.5), lag=lag) for lag in (2, -4))
        together, apart = (judge_track(0, [same, w], reference, 0.05) for w in (same, other))
        assert apart.readings["agreement"].value < together.readings["agreement"].value
        assert apart.aspects["speech"] < together.aspects["speech"]

    def test_windows_where_an_offset_cannot_be_judged_do_not_count_for_it(self, reference):
        dark = window(at_share(reference, 0.5))
        dark.curve[TAU + 1 :] = np.nan
        assert judge_track(0, [dark, window(at_share(reference, 0.5), lag=5)], reference, 0.05).lag_ms in (0, 200)
        dark.curve[:] = np.nan
        assert judge_track(0, [dark], reference, 0.05).lag_ms == 0

    @pytest.mark.parametrize("count", [1, 3])
    def test_real_clips_are_called_suspicious_at_most_as_often_as_the_level_says(self, reference, count):
        readings, names = people_like(400, seed=97, each=(count, count + 1))
        p = [
            judge_track(0, [window(readings, first + i) for i in range(count)], reference, 0.05).p_value
            for first in range(0, len(names), count)
        ]
        for level in (0.05, 0.2):
            assert np.mean(np.array(p) <= level) <= level + 0.02
        assert np.mean(np.array(p) <= 0.2) > 0.04


class TestSpeakers:
    @pytest.fixture
    def face(self, reference):
        def seen(track, start, end, agreement):
            readings = {**at_share(reference, 0.5), "agreement": agreement}
            part = replace(window(readings), start=start, seconds=end - start)
            return judge_track(track, [part], reference, 0.05)

        return seen

    def test_of_faces_seen_together_the_one_that_fits_speaks(self, face):
        listens, speaks = face(0, 0.0, 5.0, agreement=-1.0), face(1, 0.0, 5.0, agreement=2.0)
        assert speakers([listens, speaks]) == [speaks]

    def test_faces_one_after_the_other_all_speak(self, face):
        tracks = [face(0, 0.0, 5.0, -1.0), face(1, 5.0, 9.0, 2.0), face(2, 8.0, 14.0, 0.5)]
        assert {track.track for track in speakers(tracks)} == {0, 1, 2}

    def test_a_listener_is_nobody_even_where_two_speak_in_turn(self, face):
        tracks = [face(0, 0.0, 10.0, 0.1), face(1, 0.0, 5.0, 2.0), face(2, 5.0, 10.0, 2.0)]
        assert {track.track for track in speakers(tracks)} == {1, 2}

    def test_one_face_speaks(self, face):
        alone = face(0, 0.0, 5.0, -9.0)
        assert speakers([alone]) == [alone]
