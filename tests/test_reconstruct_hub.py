"""Codecs and vocoders of the hub rebuild speech: tiny models with random weights, in the published formats."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from talking import voice

from avsync.errors import UsageError
from avsync.reconstruct.speech import load_reconstruction

transformers = pytest.importorskip("transformers")

QUANTISED = {"hidden_size": 16, "codebook_size": 16}
CONFIGS = {
    "encodec": transformers.EncodecConfig(num_filters=4, **QUANTISED),
    # As the model of 48 kHz: two channels, in chunks of one second that are levelled.
    "encodec_stereo": transformers.EncodecConfig(
        num_filters=4,
        audio_channels=2,
        sampling_rate=48_000,
        normalize=True,
        chunk_length_s=1.0,
        overlap=0.01,
        use_causal_conv=False,
        norm_type="time_group_norm",
        target_bandwidths=[3.0, 6.0],
        **QUANTISED,
    ),
    # As the model of 16 kHz, whose strides are not all even.
    "dac": transformers.DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=32,
        downsampling_ratios=[2, 4, 5, 8],
        upsampling_ratios=[8, 5, 4, 2],
        codebook_size=16,
        n_codebooks=12,
    ),
    "mimi": transformers.MimiConfig(
        num_filters=4,
        codebook_dim=8,
        vector_quantization_hidden_dimension=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=16,
        upsample_groups=16,
        **QUANTISED,
    ),
    "hifigan": transformers.SpeechT5HifiGanConfig(upsample_initial_channel=32),
}
MODELS = {
    "encodec": transformers.EncodecModel,
    "encodec_stereo": transformers.EncodecModel,
    "dac": transformers.DacModel,
    "mimi": transformers.MimiModel,
    "hifigan": transformers.SpeechT5HifiGan,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of each tiny model."""
    root = tmp_path_factory.mktemp("models")
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        MODELS[name](config).save_pretrained(root / name)
    return root


@pytest.fixture
def copy(saved, tmp_path):
    """Copies the folder of a model, to be changed."""

    def copied(name):
        return shutil.copytree(saved / name, tmp_path / name)

    return copied


@pytest.fixture
def speech():
    return voice(1.0)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_rebuilds_speech_at_its_own_rate(name, saved, speech):
    rebuild = load_reconstruction(f"hub:{saved / name}")
    found = rebuild(speech, rng())
    assert (found.shape, found.dtype) == (speech.shape, np.float32)
    assert np.isfinite(found).all()
    assert np.abs(found - speech).max() > 0.01
    np.testing.assert_array_equal(rebuild(speech, rng()), found)


@pytest.mark.parametrize(
    ("name", "method", "drawn"),
    [
        ("encodec", "bandwidth", {1.5, 3.0, 6.0, 12.0, 24.0}),
        ("encodec_stereo", "bandwidth", {3.0, 6.0}),
        ("dac", "n_quantizers", set(range(3, 13))),
        ("mimi", "num_quantizers", set(range(8, 33))),
    ],
)
def test_the_generator_draws_how_much_a_codec_may_use(name, method, drawn, saved, speech, monkeypatch):
    rebuild = load_reconstruction(f"hub:{saved / name}")
    asked = []

    def forward(model, heard, **settings):
        asked.append(settings[method])
        return transformers.modeling_outputs.ModelOutput(audio_values=heard)

    monkeypatch.setattr(MODELS[name], "forward", forward)
    for seed in range(200):
        np.testing.assert_allclose(rebuild(speech, rng(seed)), speech, atol=0.02)
    assert set(asked) == drawn


def test_the_vocoder_hears_the_mel_spectrogram_it_was_trained_on(saved, speech, monkeypatch):
    heard = []

    def forward(model, mel):
        heard.append(mel)
        return torch.ones(mel.shape[1] * 256)

    rebuild = load_reconstruction(f"hub:{saved / 'hifigan'}")
    monkeypatch.setattr(transformers.SpeechT5HifiGan, "forward", forward)
    rebuild(speech, rng())
    (mel,) = heard
    assert mel.shape[2] == 80
    assert mel.shape[1] * 256 >= len(speech) + 4096
    assert -10 <= float(mel.min()) < float(mel.max()) < 3  # base 10, floor 1e-10


def test_the_published_vocoder_names_its_type_in_another_way(copy, speech):
    folder = copy("hifigan")
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(described | {"model_type": "hifigan"}))
    assert len(load_reconstruction(f"hub:{folder}")(speech, rng())) == len(speech)


def test_published_weights_with_the_old_names_of_weight_norm_are_read(copy, saved, speech):
    folder = copy("encodec")
    weights = load_file(folder / "model.safetensors")
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in weights.items()
    }
    assert old.keys() != weights.keys()
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    expected = load_reconstruction(f"hub:{saved / 'encodec'}")(speech, rng())
    np.testing.assert_array_equal(load_reconstruction(f"hub:{folder}")(speech, rng()), expected)


class TestRefusals:
    def test_a_model_that_is_not_here(self, tmp_path, monkeypatch):
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        with pytest.raises(UsageError, match="kyutai/mimi: not on this machine; run: avsync weights pull kyutai/mimi"):
            load_reconstruction("hub:kyutai/mimi")

    def test_a_model_of_another_type(self, copy):
        folder = copy("dac")
        (folder / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(UsageError, match="a model of type 'bert'; name one of these types: encodec, dac, mimi"):
            load_reconstruction(f"hub:{folder}")

    @pytest.mark.parametrize(
        ("name", "changed", "complaint"),
        [
            ("hifigan", {"model_in_dim": 100}, "damaged|not a vocoder"),
            ("hifigan", {"sampling_rate": 22_050}, "not a vocoder of SpeechT5's mel spectrogram"),
            ("encodec", {"sampling_rate": 1}, r"sound at 1 Hz"),
        ],
    )
    def test_a_model_whose_sound_is_another(self, copy, name, changed, complaint):
        folder = copy(name)
        described = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(described | changed))
        with pytest.raises(UsageError, match=complaint):
            load_reconstruction(f"hub:{folder}")

    def test_weights_that_are_missing_damaged_or_not_finite(self, copy):
        folder = copy("dac")
        weights = load_file(folder / "model.safetensors")
        name = min(weights)
        save_file({n: v for n, v in weights.items() if n != name}, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(UsageError, match=f"no weights {name}"):
            load_reconstruction(f"hub:{folder}")
        save_file(weights | {name: weights[name] * np.nan}, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(UsageError, match="not finite"):
            load_reconstruction(f"hub:{folder}")
        (folder / "model.safetensors").write_bytes(b"x" * 100)
        with pytest.raises(UsageError, match="incomplete or damaged"):
            load_reconstruction(f"hub:{folder}")
