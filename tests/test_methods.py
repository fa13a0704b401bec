"""What avsync.methods promises: published readings as published, beside real clips where there are any."""

import numpy as np
import pytest
import torch

import avsync.calibrate
from avsync.align import EMBEDDED, TAU, load_checkpoint, save_checkpoint
from avsync.calibrate import calibrate
from avsync.datasets.record import ClipRecord
from avsync.demo import make_clips
from avsync.detector import Detector
from avsync.errors import UsageError
from avsync.features import Backbone, FeatureStore, encode_file, extract, load_backbone
from avsync.methods import load_method
from avsync.score.readings.lattice import LATTICE_READINGS
from avsync.score.rows import LatticeRows, joined
from avsync.speech import speech_activity


def random_lattice(frames, seed=0):
    """As a lattice is: what lies outside the clip is not a number."""
    grid = torch.randn(frames, 2 * TAU + 1, generator=torch.Generator().manual_seed(seed))
    at = torch.arange(frames)[:, None] + torch.arange(-TAU, TAU + 1)
    return grid.masked_fill((at < 0) | (at >= frames), torch.nan)


class TestReadings:
    """Where all frames count the same, they are what their authors wrote."""

    def read(self, name, frames=100):
        return LATTICE_READINGS[name](random_lattice(frames), torch.ones(frames))

    def test_speechforensics_is_the_best_mean_over_all_shifts(self):
        grid = random_lattice(100).numpy()
        assert self.read("speechforensics") == pytest.approx(max(np.nanmean(grid[:, i]) for i in range(31)), abs=1e-6)

    def test_factor_is_the_third_percentile_without_a_shift(self):
        assert self.read("factor") == pytest.approx(np.percentile(random_lattice(100)[:, TAU], 3), abs=1e-6)

    def test_log_sum_exp_grows_with_the_clip_and_log_mean_exp_does_not(self):
        column = random_lattice(100)[:, TAU].double().numpy()
        assert self.read("log_sum_exp") == pytest.approx(np.log(np.exp(-column).sum()), abs=1e-5)
        twice = torch.cat([random_lattice(100)] * 2)
        grown = LATTICE_READINGS["log_sum_exp"](twice, torch.ones(200)) - self.read("log_sum_exp")
        assert grown == pytest.approx(np.log(2), abs=1e-5)
        assert LATTICE_READINGS["log_mean_exp"](twice, torch.ones(200)) == pytest.approx(
            self.read("log_mean_exp"), abs=1e-5
        )

    @pytest.mark.parametrize("lag", [-8, 0, 5])
    def test_log_mean_exp_is_read_where_lips_and_speech_fit_best(self, lag):
        grid = random_lattice(100)
        grid[:, TAU + lag] += 3
        column = grid[:, TAU + lag].double().numpy()
        mean = np.log(np.nanmean(np.exp(-column)))
        assert LATTICE_READINGS["log_mean_exp"](grid, torch.ones(100)) == pytest.approx(mean, abs=1e-5)

    @pytest.mark.parametrize("name", LATTICE_READINGS)
    def test_silence_weighs_nothing(self, name):
        grid, weight = random_lattice(100), torch.ones(100)
        weight[60:] = 0
        other = grid.clone()
        other[60:] += 5
        assert LATTICE_READINGS[name](grid, weight) == pytest.approx(LATTICE_READINGS[name](other, weight))

    @pytest.mark.parametrize("name", LATTICE_READINGS)
    def test_thin_speech_can_be_read_too(self, name):
        assert np.isfinite(LATTICE_READINGS[name](random_lattice(100), torch.full((100,), 0.2)))


def test_rows_that_are_cut_and_joined_are_the_same():
    rows = LatticeRows(2.0, np.zeros(4), random_lattice(90), np.arange(90, dtype=np.float32))
    assert rows[30:60].start == 2.0 + 30 / 25
    again = joined([rows[:30], rows[30:60], rows[60:]])
    assert torch.equal(again.lattice.nan_to_num(), rows.lattice.nan_to_num())
    np.testing.assert_array_equal(again.speech, rows.speech)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("clips"), seconds=3.0)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A VoxCeleb2 tree: a clip each of four speakers."""
    root = tmp_path_factory.mktemp("people")
    for seed in range(1, 5):
        folder = root / "dev" / "mp4" / f"id{seed}" / "video"
        folder.mkdir(parents=True)
        in_sync, dubbed = make_clips(folder, seconds=2.5, seed=seed)
        in_sync.rename(folder / "00001.mp4")
        dubbed.unlink()
    return root


class TestBackbone:
    def test_a_reading_is_that_of_the_whole_track(self, clips):
        """FACTOR by hand, on all frames."""
        backbone = load_backbone("temporal")
        (made,) = encode_file(clips[0], backbone, speech_activity(clips[0], "none"))
        cosines = torch.nn.functional.cosine_similarity(made.lips, made.speech)
        verdict = Detector(backbone="temporal", reading="factor", trim="none").score(clips[0])
        assert verdict.tracks[0].readings["factor"].value == pytest.approx(np.percentile(cosines, 3), abs=1e-5)

    def test_without_real_clips_it_measures_and_says_so(self, clips):
        in_sync, dubbed = (Detector(backbone="temporal").score(clip) for clip in clips)
        assert (in_sync.verdict, in_sync.p_value, in_sync.rests_on) == ("measured", None, 0)
        assert in_sync.oddness == -in_sync.tracks[0].readings["speechforensics"].value
        assert in_sync.oddness < dubbed.oddness
        assert "avsync calibrate" in in_sync.warnings[-1]

    def test_a_reading_that_is_high_for_fakes_ranks_as_it_is(self, clips):
        verdict = Detector(backbone="temporal", reading="log_mean_exp").score(clips[0])
        assert verdict.oddness == verdict.tracks[0].readings["log_mean_exp"].value

    def test_features_that_are_stored_are_not_made_again(self, clips, tmp_path, monkeypatch):
        backbone = load_backbone("temporal")
        record = ClipRecord(clips[0], "a", "real", "RealVideo-RealAudio", "real", "a", "a")
        extract([record], backbone, FeatureStore(tmp_path, backbone.key, "default"))
        made = Detector(backbone="temporal").score(clips[0])
        monkeypatch.setattr(Backbone, "encode", lambda *_: pytest.fail("encoded again"))
        stored = Detector(backbone="temporal", features=tmp_path).score(clips[0])
        assert stored.oddness == pytest.approx(made.oddness, abs=1e-3)

    @pytest.mark.parametrize("reading", ["agreement", "speechforensics", "factor", "log_mean_exp"])
    def test_calibrated_it_judges(self, clips, people, tmp_path, monkeypatch, reading):
        monkeypatch.setattr(avsync.calibrate, "_FEWEST", 4)
        output = tmp_path / "calibrated.safetensors"
        calibrate([people], load_method(None, "temporal", reading), output)
        detector = Detector(output)  # names its backbone and reading itself
        in_sync, dubbed = (detector.score(clip) for clip in clips)
        assert in_sync.verdict == "consistent"
        assert in_sync.tracks[0].aspects.keys() == {"speech"}
        assert dubbed.oddness > in_sync.oddness
        assert dubbed.p_value < in_sync.p_value

    def test_another_reading_than_the_calibrated_one_is_only_measured(self, clips, people, tmp_path, monkeypatch):
        monkeypatch.setattr(avsync.calibrate, "_FEWEST", 4)
        output = tmp_path / "calibrated.safetensors"
        calibrate([people], load_method(None, "temporal", "factor"), output)
        assert Detector(output, reading="agreement").score(clips[0]).verdict == "measured"


class TestWhatDoesNotGoTogether:
    def test_a_reading_that_grows_cannot_be_calibrated(self, people, tmp_path):
        with pytest.raises(UsageError, match="take log_mean_exp"):
            calibrate([people], load_method(None, "temporal", "log_sum_exp"), tmp_path / "out.safetensors")

    def test_features_of_different_width_have_no_cosine(self):
        with pytest.raises(UsageError, match="9216 features of lips and 96 of speech do not go with"):
            load_method(None, "mouth+temporal")

    def test_an_unknown_reading(self):
        with pytest.raises(UsageError, match="must be one of agreement, "):
            load_method(None, "temporal", "syncnet")

    def test_the_default_model_with_another_reading(self):
        with pytest.raises(UsageError, match="readings and features of its own"):
            load_method(None, None, "factor")

    def test_a_head_and_the_features_of_other_weights(self, tmp_path):
        loaded = load_method(None, "temporal")
        path = tmp_path / "head.safetensors"
        save_checkpoint(loaded.checkpoint.model, path, loaded.checkpoint.notes | {"features": "of others"})
        with pytest.raises(UsageError, match="not the weights on whose features"):
            load_method(path)

    def test_features_that_are_not_there(self, tmp_path):
        with pytest.raises(UsageError, match="holds no features of temporal with trim paper"):
            load_method(None, "temporal", trim="paper", store=tmp_path)

    def test_a_model_without_calibration_measures(self, clips, tmp_path):
        save_checkpoint(load_checkpoint(EMBEDDED).model, tmp_path / "new.safetensors", {})
        verdict = Detector(tmp_path / "new.safetensors").score(clips[0])
        assert verdict.verdict == "measured"
        assert verdict.oddness == -verdict.tracks[0].readings["agreement"].value
