"""Speech features of transformers' models, with tiny models of random weights in the hub's format."""

import json
import socket

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from avsync.clip import SAMPLES, FaceClip
from avsync.encoders import speech_ssl
from avsync.encoders.speech_ssl import CHUNK, load_speech_ssl
from avsync.errors import UsageError
from avsync.face import align_faces

CPU = torch.device("cpu")
LAYERS, WIDTH = 3, 16
MODELS = {"hubert": (HubertConfig, HubertModel), "wavlm": (WavLMConfig, WavLMModel)} | {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model)
}
# The published models of base size, and those of large size.
BASE = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
VARIANTS = [(kind, form) for kind in MODELS for form in ("base", "large")]


def saved(folder, kind="hubert", form="base", *, normalize=True, **settings):
    """Write a tiny model of random weights in the hub's format, and return it."""
    config_class, model_class = MODELS[kind]
    tiny = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 24}
    tiny |= {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    torch.manual_seed(0)
    model = model_class(config_class(**tiny, **(BASE if form == "base" else LARGE), **settings)).eval()
    for parameter in model.encoder.layers.parameters():
        parameter.data *= 10 if parameter.ndim == 2 else 1  # otherwise attention is near-uniform
    model.save_pretrained(folder)
    says = {"do_normalize": normalize, "sampling_rate": 16000, "feature_extractor_type": "Wav2Vec2FeatureExtractor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(says))
    return model


def clip_of(waveform, speech=None):
    frames = len(waveform) // SAMPLES
    share = np.ones(frames, np.float32) if speech is None else speech
    return FaceClip(
        track=0,
        start=0.0,
        patches=np.zeros((frames, 1, 1), np.uint8),
        points=np.zeros((frames, 68, 2), np.float32),
        squares=np.zeros((frames, 3), np.int64),
        alignment=align_faces(np.zeros((frames, 68, 2), np.float32)),
        waveform=np.asarray(waveform, np.float32),
        speech_share=share,
    )


def noise(frames, seed=0):
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0.01, 0.2, frames), SAMPLES)  # as in syllables
    return (0.02 + loudness * rng.standard_normal(frames * SAMPLES)).astype(np.float32)


def distance(a, b):
    return float((1 - torch.cosine_similarity(a, b)).max())


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Fail on any connection."""

    def refuse(*_):
        raise AssertionError("a connection is opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    torch.set_num_threads(1)


class TestFeatures:
    @pytest.mark.parametrize("frames", [1, 2, 7, 40])
    @pytest.mark.parametrize(("kind", "form"), VARIANTS)
    def test_one_row_a_frame(self, tmp_path, kind, form, frames):
        saved(tmp_path, kind, form)
        encoder = load_speech_ssl(str(tmp_path), None, CPU)
        (features,) = encoder.encode_speech([clip_of(noise(frames))])
        assert (encoder.dim, features.shape, features.dtype) == (WIDTH, (frames, WIDTH), torch.float32)
        assert features.isfinite().all()

    @pytest.mark.parametrize("layer", [1, 2, LAYERS, None])
    @pytest.mark.parametrize(("kind", "form"), VARIANTS)
    def test_a_layer_equals_that_of_the_whole_model(self, tmp_path, kind, form, layer):
        """As transformers computes it; the norm after the last layer is part of the last hidden state only."""
        model, waveform = saved(tmp_path, kind, form), noise(30)
        sound = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
        taken = {}
        for number, module in enumerate(model.encoder.layers, 1):
            keep = lambda _m, _i, out, n=number: taken.update({n: out[0] if isinstance(out, tuple) else out})  # noqa: E731
            module.register_forward_hook(keep)
        with torch.inference_mode():
            padded = torch.from_numpy(np.pad(sound, (40, 40)))
            taken[None] = model(padded[None]).last_hidden_state
        expected = taken[layer][0].unflatten(0, (-1, 2)).mean(dim=1)
        (features,) = load_speech_ssl(str(tmp_path), layer, CPU).encode_speech([clip_of(waveform)])
        torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)

    def test_layers_above_the_one_read_are_not_built(self, tmp_path):
        saved(tmp_path)
        assert len(load_speech_ssl(str(tmp_path), 2, CPU)._model.encoder.layers) == 2

    @pytest.mark.parametrize(
        ("sample", "changed"), [(39, [9, 10]), (40, [10]), (320, [10]), (599, [10]), (600, [10, 11])]
    )
    def test_each_row_is_centred_on_its_picture(self, tmp_path, sample, changed):
        """A click changes its own frame, and a neighbour if it is within 40 samples of the border."""
        model = saved(tmp_path, "wav2vec2", "large", normalize=False)
        model.encoder.pos_conv_embed.conv.parametrizations.weight.original0.data.zero_()
        for layer in model.encoder.layers:  # only the convolutions see other frames
            layer.attention.out_proj.weight.data.zero_()
        model.save_pretrained(tmp_path)
        quiet = noise(20)
        click = quiet.copy()
        click[10 * SAMPLES + sample] += 1
        before, after = load_speech_ssl(str(tmp_path), None, CPU).encode_speech([clip_of(quiet), clip_of(click)])
        assert (before - after).abs().amax(dim=1).gt(1e-5).nonzero()[:, 0].tolist() == changed


class TestBatches:
    @pytest.mark.parametrize(
        ("kind", "form", "settings"),
        [*((*variant, {}) for variant in VARIANTS), ("hubert", "large", {"conv_pos_batch_norm": True})],
    )
    def test_a_batch_gives_the_same_features_as_single_clips(self, tmp_path, kind, form, settings, monkeypatch):
        monkeypatch.setitem(speech_ssl._BATCH, "cpu", 3)
        saved(tmp_path, kind, form, **settings)
        encoder = load_speech_ssl(str(tmp_path), None, CPU)
        clips = [clip_of(noise(frames, seed)) for seed, frames in enumerate((30, 12, 30, 7, 1))]
        alone = [encoder.encode_speech([clip])[0] for clip in clips]
        for one, other in zip(alone, encoder.encode_speech(clips), strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)

    def test_no_clips_give_no_features(self, tmp_path):
        saved(tmp_path)
        assert load_speech_ssl(str(tmp_path), None, CPU).encode_speech([]) == []

    @pytest.mark.parametrize(("kind", "form"), VARIANTS)
    def test_chunks_give_nearly_the_same_features_as_one_piece(self, tmp_path, kind, form, monkeypatch):
        saved(tmp_path, kind, form)
        encoder, clip = load_speech_ssl(str(tmp_path), None, CPU), clip_of(noise(120))
        (whole,) = encoder.encode_speech([clip])
        monkeypatch.setattr(speech_ssl, "CHUNK", 60)
        monkeypatch.setattr(speech_ssl, "OVERLAP", 30)
        (chunked,) = encoder.encode_speech([clip])
        assert chunked.shape == whole.shape
        assert distance(whole, chunked) < 0.02

    @pytest.mark.parametrize("frames", [1, CHUNK, CHUNK + 1, 2 * CHUNK, 5000])
    def test_chunks_cover_every_frame_once_with_context(self, frames):
        chunks = speech_ssl._chunks(frames)
        covered = [frame for first, _, keep in chunks for frame in range(first, frames)[keep]]
        assert covered == list(range(frames))
        for first, last, keep in chunks:
            assert last - first == min(frames, CHUNK)
            assert first == 0 or keep.start >= speech_ssl.OVERLAP // 2
            assert last == frames or last - first - keep.stop >= speech_ssl.OVERLAP // 2


class TestSilence:
    @pytest.mark.parametrize(("kind", "form"), VARIANTS)
    def test_moves_neither_gain_nor_statistics(self, tmp_path, kind, form):
        """The convolutions give the same output for speech; only attention sees the added silence."""
        model = saved(tmp_path, kind, form)
        for layer in model.encoder.layers:
            layer.attention.out_proj.weight.data.zero_()
        model.save_pretrained(tmp_path)
        speech = np.ones(40, np.float32)
        silent = np.concatenate([np.zeros(50, np.float32), speech])
        waveform = noise(40)
        encoder = load_speech_ssl(str(tmp_path), None, CPU)
        before, after = encoder.encode_speech(
            [clip_of(waveform, speech), clip_of(np.concatenate([np.zeros(50 * SAMPLES), waveform]), silent)]
        )
        # The first frames' position features depend on the clip's start, and the first windows reach into the silence.
        torch.testing.assert_close(after[55:], before[5:], atol=0.02, rtol=0.02)

    def test_a_clip_of_silence_has_finite_features(self, tmp_path):
        saved(tmp_path)
        silence = clip_of(np.zeros(10 * SAMPLES), np.zeros(10, np.float32))
        assert load_speech_ssl(str(tmp_path), None, CPU).encode_speech([silence])[0].isfinite().all()

    @pytest.mark.parametrize(("kind", "form"), VARIANTS)
    def test_neither_does_loudness_where_the_model_is_normalised(self, tmp_path, kind, form):
        saved(tmp_path, kind, form)
        waveform = noise(40)
        quiet, loud = load_speech_ssl(str(tmp_path), None, CPU).encode_speech(
            [clip_of(waveform), clip_of(3 * waveform)]
        )
        assert distance(quiet, loud) < 1e-3


class TestKey:
    def test_differs_where_features_differ(self, tmp_path):
        folders = {name: tmp_path / name for name in ("a", "same", "other", "raw", "kind")}
        for folder in folders.values():
            folder.mkdir()
        for name in ("a", "same"):
            saved(folders[name])
        saved(folders["raw"], normalize=False)
        saved(folders["kind"], "wavlm")
        model = saved(folders["other"])
        model.encoder.layers[0].final_layer_norm.bias.data += 1e-3
        model.save_pretrained(folders["other"])
        keys = {name: load_speech_ssl(str(folder), 2, CPU).key for name, folder in folders.items()}
        assert keys.pop("same") == keys["a"]
        keys["layer"] = load_speech_ssl(str(folders["a"]), 1, CPU).key
        assert len(set(keys.values())) == len(keys)
        assert keys["a"].startswith("ssl-hubert-")


class TestErrors:
    def refused(self, folder, layer=None):
        with pytest.raises(UsageError) as error:
            load_speech_ssl(str(folder), layer, CPU)
        assert "\n" not in str(error.value)
        return str(error.value)

    def changed(self, folder, **settings):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    def test_a_missing_folder(self, tmp_path):
        assert "no speech model" in self.refused(tmp_path / "nowhere")

    def test_a_model_of_another_kind(self, tmp_path):
        small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        BertModel(BertConfig(**small, vocab_size=10)).save_pretrained(tmp_path)
        assert "type 'bert'" in self.refused(tmp_path)

    @pytest.mark.parametrize("layer", [0, LAYERS + 1])
    def test_a_layer_that_does_not_exist(self, tmp_path, layer):
        saved(tmp_path)
        assert f"choose @1 to @{LAYERS}" in self.refused(tmp_path, layer)

    def test_another_frame_rate(self, tmp_path):
        saved(tmp_path)
        self.changed(tmp_path, conv_stride=[5, 2, 2, 2, 2, 2, 1])
        assert "50 frames per second" in self.refused(tmp_path)

    def test_another_sampling_rate(self, tmp_path):
        saved(tmp_path)
        (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
        assert "8000 Hz" in self.refused(tmp_path)

    def test_a_missing_preprocessor_config(self, tmp_path):
        saved(tmp_path)
        (tmp_path / "preprocessor_config.json").unlink()
        assert "preprocessor_config.json is missing" in self.refused(tmp_path)

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000])
    @pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
    def test_a_damaged_description(self, tmp_path, name, text):
        saved(tmp_path)
        (tmp_path / name).write_text(text)
        assert "fetch the model again" in self.refused(tmp_path)

    @pytest.mark.parametrize("settings", [{"hidden_size": 32}, {"hidden_size": "wide"}, {"conv_kernel": None}])
    def test_a_description_of_another_model(self, tmp_path, settings):
        saved(tmp_path)
        self.changed(tmp_path, **settings)
        assert "incomplete or damaged" in self.refused(tmp_path)

    @pytest.mark.parametrize("keep", [0, 100, -1000])
    def test_truncated_weights(self, tmp_path, keep):
        saved(tmp_path)
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:keep])
        assert "incomplete or damaged" in self.refused(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"hello", b"cos\nsystem\n(S'touch RUN'\ntR."])
    def test_weights_that_are_something_else(self, tmp_path, content, monkeypatch):
        monkeypatch.chdir(tmp_path)
        saved(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        assert "incomplete or damaged" in self.refused(tmp_path)
        assert not (tmp_path / "RUN").exists()

    def test_weights_that_are_missing(self, tmp_path):
        """The config has more layers than the weights; the others would be random."""
        saved(tmp_path)
        self.changed(tmp_path, num_hidden_layers=LAYERS + 1)
        assert "no weights encoder.layers.3" in self.refused(tmp_path)

    def test_weights_that_are_not_finite(self, tmp_path):
        model = saved(tmp_path)
        model.feature_projection.projection.bias.data[0] = torch.nan
        model.save_pretrained(tmp_path)
        assert "not finite" in self.refused(tmp_path)

    def test_weights_of_pytorch_load(self, tmp_path):
        model = saved(tmp_path)
        (features,) = load_speech_ssl(str(tmp_path), None, CPU).encode_speech([clip_of(noise(5))])
        (tmp_path / "model.safetensors").unlink()
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
        assert torch.equal(load_speech_ssl(str(tmp_path), None, CPU).encode_speech([clip_of(noise(5))])[0], features)

    def test_code_in_the_folder_is_not_run(self, tmp_path):
        saved(tmp_path)
        self.changed(tmp_path, auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"})
        (tmp_path / "own.py").write_text("raise SystemError('run')")
        assert load_speech_ssl(str(tmp_path), None, CPU).dim == WIDTH

    def test_transformers_missing(self, tmp_path, monkeypatch):
        saved(tmp_path)
        monkeypatch.setitem(__import__("sys").modules, "transformers", None)
        assert "pip install 'avsync[ssl]'" in self.refused(tmp_path)

    def test_nothing_is_printed(self, tmp_path, capfd):
        saved(tmp_path)
        capfd.readouterr()
        load_speech_ssl(str(tmp_path), 1, CPU)
        assert capfd.readouterr() == ("", "")
