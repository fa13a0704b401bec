"""The three models of the voice: what they look at, what they say, and how they are kept."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from talking import voice

from avsync.checkpoint import load_checkpoint, save_checkpoint
from avsync.clip import SAMPLES
from avsync.errors import UsageError
from avsync.media import RATE
from avsync.voice.linear import LinearConfig, LinearModel
from avsync.voice.linear.fit import fit, validated
from avsync.voice.reconstruction import ReconstructionConfig, ReconstructionModel
from avsync.voice.residual import ResidualNetwork
from avsync.voice.spectrogram import BINS, HOP, LogSpectrogram, frequencies, share_at, times
from avsync.voice.stfpm import StfpmConfig, StfpmModel
from avsync.voice.stfpm.model import DEPTHS, band_count
from avsync.voice.stfpm.resnet18 import ResNet18Stages

FRAMES = 50
SPEECH = voice(seconds=2.0).copy()
ALL = np.ones(FRAMES, np.float32)


def reconstruction(seed=0):
    torch.manual_seed(seed)
    return ReconstructionModel(ReconstructionConfig(widths=[4, 6, 8, 8], kinds=["world", "lpc"])).eval()


def stfpm(seed=0):
    torch.manual_seed(seed)
    return StfpmModel(StfpmConfig(widths=[4, 6, 8, 8])).eval()


def linear():
    model = LinearModel(LinearConfig(backbone="mel", features="", width=160))
    model.weight.copy_(torch.linspace(-1, 1, 160))
    return model.eval()


MODELS = {"reconstruction": reconstruction, "stfpm": stfpm, "linear": linear}


def tone(hertz, at, seconds=0.3, length=2.0):
    time = np.arange(round(length * RATE)) / RATE
    sound = 0.01 * np.random.default_rng(0).normal(size=len(time))
    return (sound + np.sin(2 * np.pi * hertz * time) * (np.abs(time - at) < seconds / 2)).astype(np.float32)


class TestSpectrogram:
    def test_loudness_leaves_no_trace(self):
        spectrogram, speech = LogSpectrogram(), torch.from_numpy(SPEECH)[None]
        assert torch.allclose(spectrogram(speech), spectrogram(0.1 * speech), atol=1e-3)

    def test_a_microphone_leaves_no_trace_where_speech_is_louder_than_the_floor(self):
        """A filter adds the same to every frame of a band; the mean over time takes it out again."""
        noise = torch.from_numpy(np.random.default_rng(0).normal(size=RATE).astype(np.float32))[None]
        coloured = torch.nn.functional.conv1d(noise[:, None], torch.tensor([[[0.5, 1.0, 0.5]]]), padding=1)[:, 0]
        rows = slice(20, 120)  # 0.6 to 3.7 kHz, which this filter passes
        apart = (LogSpectrogram()(noise) - LogSpectrogram()(coloured))[:, rows]
        assert apart.abs().mean() < 0.1

    @pytest.mark.parametrize("hertz", [500, 3000, 6000])
    @pytest.mark.parametrize("at", [0.5, 1.4])
    def test_rows_and_columns_are_where_they_say(self, hertz, at):
        found = LogSpectrogram()(torch.from_numpy(tone(hertz, at))[None])[0]
        row, column = np.unravel_index(int(found.argmax()), found.shape)
        assert abs(frequencies(BINS)[row] - hertz) < 40
        assert abs(times(found.shape[1], found.shape[1])[column] - at) < 0.17

    def test_columns_of_a_coarser_map_lie_in_the_same_time(self):
        fine, coarse = times(200, 200), times(50, 200)
        assert torch.allclose(coarse, fine.reshape(50, 4).mean(dim=1), atol=1e-4)

    def test_the_share_of_speech_is_that_of_the_frame_heard_then(self):
        share = torch.tensor([0.0, 1.0, 0.5])
        assert share_at(torch.tensor([0.01, 0.05, 0.09, 9.0]), share).tolist() == [0.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_a_window_gets_a_score_and_a_map_with_its_axes(self, name):
        reading = MODELS[name]().read(SPEECH, ALL)
        assert np.isfinite(reading.score)
        assert reading.map.shape == (len(reading.frequencies), len(reading.times))
        assert reading.map.dtype == np.float32
        assert (np.diff(reading.times) > 0).all()
        assert (np.diff(reading.frequencies) > 0).all()
        assert reading.times[0] >= 0
        assert reading.times[-1] <= 2.0
        assert reading.frequencies[0] >= 0
        assert reading.frequencies[-1] <= RATE / 2

    @pytest.mark.parametrize("frames", [38, 60, 75])
    def test_windows_of_every_length_are_read(self, name, frames):
        speech = voice(seconds=3.0)[: frames * SAMPLES]
        assert np.isfinite(MODELS[name]().read(speech, np.ones(frames, np.float32)).score)

    def test_the_score_counts_frames_with_speech_only(self, name):
        model = MODELS[name]()
        first, last = (ALL * mask for mask in (np.arange(FRAMES) < 25, np.arange(FRAMES) >= 25))
        whole, early, late = (model.read(SPEECH, share).score for share in (ALL, first, last))
        assert early != late
        if name != "stfpm":  # its score is a quantile, the others' a mean
            assert min(early, late) - 0.1 <= whole <= max(early, late) + 0.1

    def test_it_says_the_same_after_it_was_saved_and_loaded(self, name, tmp_path):
        model = MODELS[name]()
        save_checkpoint(model, tmp_path / "voice.safetensors", {"name": name})
        again = load_checkpoint(tmp_path / "voice.safetensors").model
        assert again.check == "voice"
        assert again.read(SPEECH, ALL).score == model.read(SPEECH, ALL).score
        assert again.learned_from == "real speech"


class TestReconstruction:
    def test_the_score_is_the_mean_of_the_map(self):
        reading = reconstruction().read(SPEECH, ALL)
        assert reading.score == pytest.approx(float(reading.map.mean()), abs=1e-5)


class TestStfpm:
    def test_a_student_that_matches_its_teacher_finds_nothing(self):
        model = stfpm()
        model.student.load_state_dict(model.teacher.state_dict())
        spectrogram = model.spectrogram(torch.from_numpy(SPEECH)[None])
        assert max(float(apart.detach().max()) for apart in model.discrepancies(spectrogram)) < 1e-5

    def test_each_band_of_each_depth_is_standardised_on_real_speech(self):
        model = stfpm()
        spectrogram = model.spectrogram(torch.from_numpy(SPEECH)[None])
        found = [model.discrepancies(spectrogram)]
        model.scale(found)
        for depth in range(DEPTHS):
            middle, spread = (getattr(model, f"{name}{depth}")[:, None] for name in ("middle", "spread"))
            standard = (found[0][depth][0] - middle) / spread
            assert torch.allclose(standard.mean(dim=1), torch.zeros(len(standard)), atol=1e-3)
            assert torch.allclose(standard.std(dim=1), torch.ones(len(standard)), atol=1e-2)

    def test_the_map_is_the_product_over_depths(self, monkeypatch):
        """A place is odd if it is so at every depth; softplus makes each factor positive."""
        odd = {0: 4.0, 1: 3.0, 2: 2.0}  # standard deviations from the middle
        model = stfpm()
        monkeypatch.setattr(
            model, "discrepancies", lambda _: [torch.full((1, band_count(d), 25), odd[d]) for d in range(DEPTHS)]
        )
        expected = float(np.prod([np.log1p(np.exp(value)) for value in odd.values()]))
        assert torch.allclose(
            model.anomaly_map(torch.zeros(1, BINS, 100)), torch.full((1, 53, 50), expected), rtol=1e-4
        )

    def test_the_number_of_bands_is_that_of_the_network(self):
        maps = ResidualNetwork([4, 4, 4, 4])(torch.zeros(1, BINS, 100))
        assert [found.shape[2] for found in maps] == [band_count(depth) for depth in range(DEPTHS)]

    def test_a_resnet18_has_the_same_bands(self):
        pytest.importorskip("torchvision")
        maps = ResNet18Stages()(torch.zeros(1, BINS, 100))
        assert [found.shape[2] for found in maps] == [band_count(depth) for depth in range(DEPTHS)]

    def test_published_weights_of_another_network_are_refused(self):
        pytest.importorskip("torchvision")
        with pytest.raises(UsageError, match="not the weights of a ResNet-18"):
            ResNet18Stages().load_published({"conv1.weight": torch.zeros(1)})

    def test_a_resnet18_takes_the_published_weights(self):
        torchvision = pytest.importorskip("torchvision")
        torch.manual_seed(1)
        whole = torchvision.models.resnet18(weights=None)
        mine = ResNet18Stages()
        mine.load_published(whole.state_dict())
        assert torch.equal(mine.stages[2][0].conv1.weight, whole.layer3[0].conv1.weight)


class TestLinear:
    def test_it_separates_what_can_be_separated(self):
        rng = np.random.default_rng(0)
        fake = np.arange(200) % 2 == 1
        features = rng.normal(size=(200, 160)) + 3 * fake[:, None] * (np.arange(160) == 7)
        model = fit(LinearConfig(backbone="mel", width=160), features, fake)
        assert validated(model, features, fake)["auc"] > 0.95
        assert int(model.weight.abs().argmax()) == 7

    def test_it_says_that_it_learned_from_labelled_fakes(self):
        model = LinearModel(LinearConfig(backbone="mel", width=160, learned_from="labelled fakes"))
        assert model.learned_from == "labelled fakes"

    def test_another_encoder_than_the_one_it_learned_on_is_refused(self):
        model = LinearModel(LinearConfig(backbone="mel", features="of other weights", width=160))
        with pytest.raises(UsageError, match="not the weights"):
            model.read(SPEECH, ALL)

    def test_silent_frames_count_nothing(self):
        share = ALL.copy()
        share[25:] = 0
        louder = SPEECH.copy()
        louder[25 * SAMPLES + 400 :] *= 0.1
        assert linear().read(louder, share).score == pytest.approx(linear().read(SPEECH, share).score, abs=1e-3)


def test_times_are_those_of_the_middle_of_the_frames():
    assert times(3, 3).tolist() == pytest.approx([0.016, 0.016 + HOP / RATE, 0.016 + 2 * HOP / RATE])


def test_the_spectrogram_on_no_device_does_not_import_the_compiler_of_pytorch():
    """It takes a second, which every worker would wait for."""
    code = (
        "import sys, torch\n"
        "from avsync.voice.spectrogram import LogSpectrogram\n"
        "with torch.device('meta'): LogSpectrogram()\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
