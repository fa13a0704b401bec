"""Networks that rebuild speech: those we train, and published HiFi-GAN generators."""

import numpy as np
import pytest
import torch
from talking import voice
from torch import nn

from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.reconstruct.neural import VocoderConfig, VocoderModel
from avsync.reconstruct.neural.config import KINDS
from avsync.reconstruct.neural.discriminator import SpectrogramDiscriminator
from avsync.reconstruct.neural.hifigan import Generator, _folded
from avsync.reconstruct.neural.mel import LogMel
from avsync.reconstruct.neural.quantiser import ResidualQuantiser
from avsync.reconstruct.speech import identity, load_reconstruction
from avsync.speech.filterbank import slaney_triangles

SPEECH = voice(1.5).copy()
STRIDES = {"fourier": [160], "upsampling": [8, 5, 4], "codec": [8, 5, 4]}


def network(kind):
    torch.manual_seed(0)
    return VocoderModel(VocoderConfig(kind=kind, strides=STRIDES[kind], width=16, blocks=1, codebooks=2)).eval()


@pytest.mark.parametrize("kind", KINDS)
class TestOurs:
    @pytest.mark.parametrize("samples", [8192, 8001, 16_000])
    def test_as_many_samples_come_out_as_go_in(self, kind, samples):
        rebuilt, loss = network(kind)(0.05 * torch.randn(2, samples))
        assert rebuilt.shape == (2, samples)
        assert loss.ndim == 0

    def test_speech_is_rebuilt_at_its_length_whatever_the_speed(self, kind):
        model = network(kind)
        for seed in range(4):
            assert model.rebuild(SPEECH, np.random.default_rng(seed)).shape == SPEECH.shape

    def test_a_network_can_learn_one_sound(self, kind):
        """The mel distance to a vowel falls while the network trains on it."""
        model, mel = network(kind).train(), LogMel(512, 128, 40)
        speech = torch.from_numpy(SPEECH[:8192])[None]
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        distances = []
        for _ in range(30):
            rebuilt, loss = model(speech)
            distance = (mel(rebuilt) - mel(speech)).abs().mean()
            optimizer.zero_grad()
            (distance + loss).backward()
            optimizer.step()
            distances.append(float(distance.detach()))
        assert np.mean(distances[-5:]) < 0.8 * np.mean(distances[:3])


def test_more_codebooks_leave_less():
    """Each codebook takes something of what the ones before left over, once it has learned."""
    torch.manual_seed(0)
    quantiser = ResidualQuantiser(8, 3, 32)
    x = torch.randn(1, 8, 200)
    optimizer = torch.optim.Adam(quantiser.parameters(), 1e-2)
    for _ in range(150):
        quantised, loss = quantiser.train()(x)
        optimizer.zero_grad()
        ((quantised - x).square().mean() + loss).backward()
        optimizer.step()
    quantiser.eval()
    errors = []
    books = quantiser.books
    for count in (1, 2, 3):
        quantiser.books = books[:count]
        errors.append(float((quantiser(x)[0] - x).square().mean().detach()))
    assert errors[2] < errors[1] < errors[0] < 1.0


def test_the_discriminator_judges_every_resolution():
    judged = SpectrogramDiscriminator()(0.05 * torch.randn(2, 8192))
    assert len(judged) == 3
    assert all(maps[-1].shape[:2] == (2, 1) for maps in judged)


def test_slaneys_bands_have_equal_area_and_narrow_bands_below_1_khz():
    filters = slaney_triangles(80, 1024, 22_050, 8000.0)
    assert filters.shape == (513, 80)
    peaks = filters.argmax(axis=0) * 22_050 / 1024
    assert np.diff(peaks[:20]).max() < 70  # linear below 1 kHz
    assert np.diff(peaks[-5:]).min() > 150  # logarithmic above
    assert np.allclose(filters[:, 40:].sum(axis=0) * 22_050 / 1024, 1.0, atol=0.05)


class TestHifiGan:
    @pytest.fixture
    def file(self, tmp_path):
        """A generator in the published format, with weight normalisation, but with few channels."""
        torch.manual_seed(0)
        normed = torch.nn.utils.weight_norm
        with pytest.warns(FutureWarning):
            layers = nn.ModuleDict(
                {
                    "conv_pre": normed(nn.Conv1d(80, 16, 7, padding=3)),
                    "ups": nn.ModuleList(
                        normed(nn.ConvTranspose1d(16 >> i, 8 >> i, 2 * s, s)) for i, s in enumerate([8, 8, 2, 2])
                    ),
                    "resblocks": nn.ModuleList(
                        nn.ModuleDict(
                            {
                                name: nn.ModuleList(normed(nn.Conv1d(8 >> i, 8 >> i, k)) for _ in range(3))
                                for name in ("convs1", "convs2")
                            }
                        )
                        for i in range(4)
                        for k in (3, 7)
                    ),
                    "conv_post": normed(nn.Conv1d(1, 1, 7, padding=3)),
                }
            )
        torch.save({"generator": layers.state_dict()}, tmp_path / "generator")
        return tmp_path / "generator"

    def test_a_published_generator_rebuilds_speech(self, file):
        rebuild = load_reconstruction(f"hifigan:{file}")
        for seed in range(3):
            rebuilt = rebuild(SPEECH, np.random.default_rng(seed))
            assert rebuilt.shape == SPEECH.shape
            assert np.isfinite(rebuilt).all()

    def test_256_samples_come_of_a_frame(self, file):
        generator = Generator(_folded(torch.load(file, weights_only=True)["generator"]))
        assert generator(torch.zeros(1, 80, 5)).shape == (1, 5 * 256)

    def test_weight_normalisation_is_folded(self, file):
        weights = torch.load(file, weights_only=True)["generator"]
        with pytest.warns(FutureWarning):
            layer = torch.nn.utils.weight_norm(nn.Conv1d(80, 16, 7))
        layer.load_state_dict(
            {key.removeprefix("conv_pre."): value for key, value in weights.items() if "conv_pre" in key}
        )
        layer(torch.zeros(1, 80, 9))  # the norm is applied when the layer is used
        assert torch.allclose(_folded(weights)["conv_pre.weight"], layer.weight, atol=1e-6)

    def test_it_is_known_by_its_content(self, file):
        assert identity(f"hifigan:{file}") == f"hifigan:{sha256_of(file)}"

    @pytest.mark.parametrize("content", [b"", b"not a file of weights", b"PK\x03\x04"])
    def test_anything_else_is_refused_in_one_line(self, content, tmp_path):
        path = tmp_path / "generator"
        path.write_bytes(content)
        with pytest.raises(UsageError, match="not a generator of HiFi-GAN"):
            load_reconstruction(f"hifigan:{path}")

    def test_a_file_that_is_missing_is_named(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            load_reconstruction(f"hifigan:{tmp_path / 'none'}")

    def test_a_file_with_code_is_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (tmp_path.joinpath("ran").touch, ())

        torch.save({"generator": Evil()}, tmp_path / "generator")
        with pytest.raises(UsageError, match="not a generator"):
            load_reconstruction(f"hifigan:{tmp_path / 'generator'}")
        assert not (tmp_path / "ran").exists()
