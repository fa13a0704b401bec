"""What avsync.score.readings promises: numbers that mean what they say."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, uniform_filter1d

from avsync.align.lattice import TAU, lattice
from avsync.clip import FaceClip
from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.face import FaceTracker, align_faces, load_face_detector
from avsync.score.readings import READINGS, readings_of
from avsync.score.readings.face import FaceWindow, face_frames
from avsync.score.readings.lattice import MAX_LAG, LatticeWindow, lag_of

WARM = 12.0  # a temperature
FACE_READINGS = [reading.name for reading in readings_of("face")]
LATTICE_READINGS = [reading.name for reading in readings_of("lattice")]


def read(name, window):
    return READINGS[name].read(window)


class TestTheRegistry:
    @pytest.mark.parametrize("name", READINGS)
    def test_every_reading_is_filed_under_its_name_with_its_source(self, name):
        reading = READINGS[name]
        assert reading.name == name
        assert reading.source

    @pytest.mark.parametrize("name", READINGS)
    def test_every_reading_says_in_plain_words_what_it_measures(self, name):
        """On one line that goes on after its name and a colon."""
        meaning = READINGS[name].meaning
        assert meaning.startswith(("how ", "the "))
        assert not meaning.endswith(".")
        assert not {"log", "mean", "deviation", "percentile", "lattice"} & set(meaning.lower().split())

    def test_a_reading_is_of_one_source(self):
        others = [reading.name for source in ("view", "voice", "appearance") for reading in readings_of(source)]
        assert sorted([*FACE_READINGS, *LATTICE_READINGS, *others]) == sorted(READINGS)


def features(frames, seed=0, size=16):
    return torch.nn.functional.normalize(
        torch.randn(frames, size, generator=torch.Generator().manual_seed(seed)), dim=1
    )


def compared(lips, speech, share=None):
    """The lattice of two sequences of features."""
    share = torch.ones(len(lips)) if share is None else share
    return LatticeWindow(lattice(lips, speech, share, WARM, TAU), share)


def agreement(*features):
    return read("agreement", compared(*features))


class TestReadingTheLattice:
    @pytest.mark.parametrize("lag", [-MAX_LAG, -3, 0, 5, MAX_LAG])
    def test_the_lag_is_where_the_best_fit_was_planted(self, lag):
        lips = features(90)
        window = compared(lips, torch.roll(lips, lag, dims=0))
        assert window.lag == lag
        assert read("agreement", window) > 2.5

    def test_a_lag_beyond_what_real_files_show_is_not_compensated(self):
        lips = features(90)
        assert agreement(lips, torch.roll(lips, MAX_LAG + 3, dims=0)) < 1

    def test_a_curve_that_cannot_be_judged_has_no_lag(self):
        assert lag_of(np.full(2 * TAU + 1, np.nan)) == 0

    @pytest.mark.parametrize(("before", "after"), [(20, 0), (0, 31), (13, 50)])
    @pytest.mark.parametrize("name", ["agreement", "worst_moment"])
    def test_added_silence_changes_nothing(self, name, before, after):
        lips, speech = features(90), features(90)
        share = torch.rand(90, generator=torch.Generator().manual_seed(1))
        padded = [torch.cat([features(before, 2), x, features(after, 3)]) for x in (lips, speech)]
        silent = torch.cat([torch.zeros(before), share, torch.zeros(after)])
        plain, longer = compared(lips, speech, share), compared(*padded, silent)
        assert longer.lag == plain.lag
        assert read(name, longer) == pytest.approx(read(name, plain), abs=2e-3)

    def test_agreement_does_not_grow_with_the_clip(self):
        lips, speech = (torch.nn.functional.normalize(features(1200) + features(1200, seed)) for seed in (1, 2))
        short = np.mean([agreement(*part) for part in zip(lips.split(75), speech.split(75), strict=True)])
        assert agreement(lips, speech) == pytest.approx(short, rel=0.1)

    def test_speech_of_somebody_else_agrees_less(self):
        lips = features(90)
        assert agreement(lips, features(90, 7)) < 0.5 < agreement(lips, lips)

    def test_one_dubbed_moment_is_the_worst_moment(self):
        lips = features(125)
        speech = lips.clone()
        speech[60:75] = features(15, 5)
        dubbed, whole = compared(lips, speech), compared(lips, lips)
        assert read("worst_moment", dubbed) < read("worst_moment", whole) - 2
        assert read("agreement", dubbed) > 0.7 * read("agreement", whole)

    def test_a_moment_of_silence_does_not_count(self):
        lips = features(125)
        speech, share = lips.clone(), torch.ones(125)
        speech[60:75], share[58:77] = features(15, 5), 0.01
        silent, whole = compared(lips, speech, share), compared(lips, lips, share)
        assert read("worst_moment", silent) == pytest.approx(read("worst_moment", whole), abs=0.1)

    def test_agreement_and_worst_moment_are_read_at_the_lag_of_the_track(self):
        """The window fits best 5 frames late; its track, at the offset 0."""
        lips = features(125)
        window = compared(lips, torch.roll(lips, 5, dims=0))
        at_zero = window.at(0)
        column = window.lattice[:, TAU]
        moments = column.unfold(0, 15, 1).mean(dim=1)
        assert (window.lag, at_zero.lag) == (5, 0)
        assert read("agreement", at_zero) == pytest.approx(float(column.mean()), abs=1e-5)
        assert read("worst_moment", at_zero) == pytest.approx(float(moments.min() - column.mean()), abs=1e-5)

    def test_a_window_that_cannot_judge_the_lag_of_its_track_is_read_at_its_own(self):
        lips = features(90)
        window = compared(lips, torch.roll(lips, 2, dims=0))
        window.lattice[:, TAU + 5] = torch.nan
        assert window.at(5).lag == 2


def random_lattice(frames, seed=0):
    """A lattice of random numbers, NaN outside the clip."""
    grid = torch.randn(frames, 2 * TAU + 1, generator=torch.Generator().manual_seed(seed))
    at = torch.arange(frames)[:, None] + torch.arange(-TAU, TAU + 1)
    return grid.masked_fill((at < 0) | (at >= frames), torch.nan)


class TestPublishedReadings:
    """Where all frames count the same, they are what their authors wrote."""

    def read(self, name, grid=None, share=None):
        grid = random_lattice(100) if grid is None else grid
        return read(name, LatticeWindow(grid, torch.ones(len(grid)) if share is None else share))

    def test_speechforensics_is_the_best_mean_over_all_shifts(self):
        grid = random_lattice(100).numpy()
        assert self.read("speechforensics") == pytest.approx(max(np.nanmean(grid[:, i]) for i in range(31)), abs=1e-6)

    def test_factor_is_the_third_percentile_without_a_shift(self):
        assert self.read("factor") == pytest.approx(np.percentile(random_lattice(100)[:, TAU], 3), abs=1e-6)

    def test_log_sum_exp_grows_with_the_clip_and_log_mean_exp_does_not(self):
        column = random_lattice(100)[:, TAU].double().numpy()
        assert self.read("log_sum_exp") == pytest.approx(np.log(np.exp(-column).sum()), abs=1e-5)
        twice = torch.cat([random_lattice(100)] * 2)
        grown = self.read("log_sum_exp", twice) - self.read("log_sum_exp")
        assert grown == pytest.approx(np.log(2), abs=1e-5)
        assert self.read("log_mean_exp", twice) == pytest.approx(self.read("log_mean_exp"), abs=1e-5)
        assert [name for name in LATTICE_READINGS if READINGS[name].grows] == ["log_sum_exp"]

    @pytest.mark.parametrize("lag", [-8, 0, 5])
    def test_log_mean_exp_is_read_where_lips_and_speech_fit_best(self, lag):
        grid = random_lattice(100)
        grid[:, TAU + lag] += 3
        column = grid[:, TAU + lag].double().numpy()
        mean = np.log(np.nanmean(np.exp(-column)))
        assert self.read("log_mean_exp", grid) == pytest.approx(mean, abs=1e-5)

    @pytest.mark.parametrize("name", LATTICE_READINGS)
    def test_silence_weighs_nothing(self, name):
        grid, share = random_lattice(100), torch.ones(100)
        share[60:] = 0
        other = grid.clone()
        other[60:] += 5
        assert self.read(name, grid, share) == pytest.approx(self.read(name, other, share))

    @pytest.mark.parametrize("name", LATTICE_READINGS)
    def test_frames_with_little_speech_can_be_read_too(self, name):
        assert np.isfinite(self.read(name, share=torch.full((100,), 0.2)))


@pytest.fixture(scope="module")
def clip():
    """Three seconds of the demo's talking face."""
    said = speak(3.0, seed=0)
    pictures = [picture[..., 1] for picture in talk(said.opening, said.width, seed=0)]
    faces = [face for (face,) in FaceTracker(load_face_detector()).update(pictures)]
    points = np.array([face.points for face in faces])
    return FaceClip(
        track=0,
        start=10.0,
        patches=np.array([face.patch for face in faces]),
        points=points,
        squares=np.array([face.square for face in faces]),
        alignment=align_faces(points),
        waveform=said.waveform,
        speech_share=np.ones(len(faces), np.float32),
    )


@pytest.fixture(scope="module")
def window(clip):
    return seen(clip)


def seen(clip):
    return FaceWindow(face_frames(clip.patches, clip.alignment), clip.landmarks, clip.speech_share)


def all_readings(window):
    return {name: read(name, window) for name in FACE_READINGS}


def texture(seed=0):
    """A face-sized field of fine and coarse detail, float32 [80, 80] grey levels."""
    noise = np.random.default_rng(seed).standard_normal((80, 80))
    return np.float32(128 + 12 * noise + 60 * gaussian_filter(noise, 3))


def moving(steps):
    """A texture that has moved `steps[t]` pixels further at frame t."""
    return np.stack([np.roll(texture(), at, axis=0) for at in np.cumsum(steps)])


def pixels(name, faces, speech_share=None):
    """A reading of the pixels of aligned faces."""
    speech_share = np.ones(len(faces), np.float32) if speech_share is None else speech_share
    return read(name, FaceWindow(faces, np.zeros((len(faces), 68, 2), np.float32), speech_share))


class TestReadingTheView:
    def turned(self, clip, degrees):
        """The clip's landmarks on a head of a cylinder's shape that turns."""
        points = clip.landmarks - clip.landmarks.mean(axis=1, keepdims=True)
        radius = np.abs(points[..., 0]).max() * 1.2
        depth = np.sqrt(radius**2 - points[..., 0] ** 2)
        angle = np.radians(degrees)
        x = points[..., 0] * np.cos(angle) + depth * np.sin(angle)
        return replace_landmarks(clip, np.stack([x, points[..., 1]], axis=-1))

    def test_a_head_that_turns_either_way_turns_more(self, clip):
        turns = [read("head_turn", self.turned(clip, degrees)) for degrees in (-50, -25, 0, 25, 50)]
        assert turns[0] > turns[1] > turns[2] < turns[3] < turns[4]
        assert turns[2] < 0.1

    def test_a_tilted_head_is_not_turned(self, clip):
        turn = np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)
        tilted = replace_landmarks(clip, clip.landmarks @ turn)
        assert read("head_turn", tilted) == pytest.approx(read("head_turn", clip), abs=1e-3)

    def test_noise_narrows_the_range_of_the_sound_and_loudness_does_not(self, clip):
        noise = np.random.default_rng(0).normal(0, clip.waveform.std(), len(clip.waveform)).astype(np.float32)
        ranges = [
            read("sound_range", replace(clip, waveform=clip.waveform + part * noise)) for part in (0.0, 0.1, 0.3, 1.0)
        ]
        assert ranges == sorted(ranges, reverse=True)
        assert ranges[-1] < 8
        quiet = read("sound_range", replace(clip, waveform=clip.waveform / 2))
        assert quiet == pytest.approx(ranges[0], abs=1.0)


def replace_landmarks(clip, landmarks):
    return SimpleNamespace(landmarks=np.asarray(landmarks, np.float32), waveform=clip.waveform)


class TestReadingTheFace:
    def test_a_blurred_mouth_has_less_detail(self, clip, window):
        blurred = clip.patches.copy()
        for patch, points in zip(blurred, clip.points, strict=True):
            (left, top), (right, bottom) = (points[48:68].min(axis=0) - 9).astype(int), points[48:68].max(axis=0) + 9
            mouth = np.s_[top : int(bottom), left : int(right)]
            patch[mouth] = gaussian_filter(patch[mouth].astype(float), 2)
        changed = seen(replace(clip, patches=blurred))
        assert read("mouth_detail", changed) < read("mouth_detail", window) - 0.5

    def test_smoothed_lips_accelerate_less(self, window):
        smooth = replace(window, landmarks=uniform_filter1d(window.landmarks, 5, axis=0))
        assert read("lip_acceleration", smooth) < read("lip_acceleration", window) - 0.5

    def test_motion_of_the_head_is_no_acceleration_of_the_lips(self, window):
        drift = 40 * np.sin(np.arange(len(window.landmarks)) / 2)[:, None, None]
        moved = replace(window, landmarks=(window.landmarks + drift) * 2)
        assert read("lip_acceleration", moved) == pytest.approx(read("lip_acceleration", window), abs=1e-3)

    def test_even_motion_varies_less(self):
        even, bursts = moving([1] * 60), moving([2, 2, 2, 0, 0, 0] * 10)
        assert pixels("mouth_motion_variability", even) < pixels("mouth_motion_variability", bursts) - 1

    def test_texture_that_is_carried_along_has_less_noise_over_time(self):
        carried, fresh = moving([0] * 60), np.stack([texture(seed) for seed in range(60)])
        assert pixels("mouth_temporal_noise", carried) < pixels("mouth_temporal_noise", fresh) - 1

    def test_noise_over_time_counts_against_the_face_only_where_the_mouth_differs(self):
        fresh, still = np.stack([texture(seed) for seed in range(60)]), moving([0] * 60)
        drawn = fresh.copy()
        drawn[:, 40:60, 24:56] = still[:, 40:60, 24:56]  # the mouth, with a margin that the blur reaches
        name = "mouth_noise_against_face"
        assert pixels(name, still) == pytest.approx(pixels(name, fresh), abs=0.5)
        assert pixels(name, drawn) < pixels(name, fresh) - 1

    def test_a_still_brow_moves_less(self):
        faces = moving([1, 0, 0] * 20)
        still = faces.copy()
        still[:, :20] = faces[0, :20]
        assert pixels("brow_motion", still) < pixels("brow_motion", faces) - 1
        assert pixels("mouth_motion_variability", still) == pixels("mouth_motion_variability", faces)

    @pytest.mark.parametrize("name", [name for name in FACE_READINGS if name != "lip_acceleration"])
    def test_silent_frames_do_not_count(self, name):
        faces, share = moving([1, 0, 2] * 20), np.ones(60, np.float32)
        share[40:] = 0
        changed = faces.copy()
        changed[41:] = np.random.default_rng(0).uniform(0, 255, changed[41:].shape)
        assert pixels(name, changed, share) == pytest.approx(pixels(name, faces, share), abs=1e-3)

    def test_motion_of_silent_lips_does_not_count(self, window):
        share = window.speech_share.copy()
        share[40:] = 0
        noise = np.random.default_rng(0).normal(0, 5, window.landmarks[42:].shape)
        changed = window.landmarks.copy()
        changed[42:, 48:68] += noise[:, 48:68]
        still, moved = (replace(window, landmarks=x, speech_share=share) for x in (window.landmarks, changed))
        assert read("lip_acceleration", moved) == pytest.approx(read("lip_acceleration", still), abs=1e-2)

    def test_faces_are_aligned(self, window):
        """Eyes and nose stay in place while the head moves."""
        assert window.faces.shape == (len(window.landmarks), 80, 80)
        eyes = window.faces[:, 13:25, 15:62]
        assert np.median(np.abs(eyes - np.median(eyes, axis=0))) < 6

    def test_a_photograph_still_gives_numbers(self, clip, window):
        """Somebody speaks over a still picture: landmarks and pixels do not move at all."""
        frozen = {
            name: np.repeat(getattr(clip, name)[:1], len(clip), axis=0) for name in ("patches", "points", "squares")
        }
        still = replace(clip, **frozen, alignment=align_faces(frozen["points"]))
        moving = all_readings(window)
        for name, value in all_readings(seen(still)).items():
            assert np.isfinite(value)
            assert name in ("mouth_detail", "mouth_noise_against_face") or value < moving[name] - 1

    @pytest.mark.parametrize("level", [0, 255])
    def test_a_flat_picture_still_gives_numbers(self, clip, level):
        flat = seen(replace(clip, patches=np.full_like(clip.patches, level)))
        assert np.isfinite(list(all_readings(flat).values())).all()
