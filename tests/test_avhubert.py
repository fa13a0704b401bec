"""AV-HuBERT: parity with the reference outputs, loading, and features of clips."""

import json
import shutil
from dataclasses import asdict
from importlib.util import module_from_spec, spec_from_file_location
from os import environ
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avsync.clip import SAMPLES, FaceClip
from avsync.encoders.avhubert import load_avhubert, resnet
from avsync.encoders.avhubert.checkpoint import read_model
from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig
from avsync.encoders.avhubert.preprocess import lip_input, normalised, speech_input, stacked
from avsync.encoders.avhubert.published import config_from_published, rename
from avsync.errors import UsageError
from avsync.face import align_faces, mouth_crops
from avsync.speech.filterbank import log_filterbank

CPU = torch.device("cpu")
FORMAT = "avsync.avhubert/1"
TINY = AVHuBERTConfig(layers=2, width=64, ffn_width=96, heads=4)
GOLDEN = Path(environ.get("AVSYNC_SHARED", Path(__file__).parents[2] / "shared")) / "golden"
SMALL = ["tiny", "tiny_postnorm", "tiny_add", "tiny_sub1"]
CLOSE = 1e-4
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no reference outputs in {GOLDEN}")


def largest(ours, theirs):
    return float(np.abs(np.asarray(ours) - theirs).max())


@pytest.fixture(scope="session")
def recipe():
    """Makes every weight and input of the reference from a seed."""
    spec = spec_from_file_location("recipe", GOLDEN / "recipe.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Reference:
    """A model with the weights of the recipe, and the outputs of the original for the recipe's inputs."""

    def __init__(self, name, recipe):
        self.recipe = recipe
        self.outputs = np.load(GOLDEN / f"{name}.outputs.npz")
        self.step = 1 if name in SMALL else 6  # every sixth frame of the large ones is kept
        with torch.device("meta"):
            self.model = AVHuBERT(config_from_published(json.loads((GOLDEN / f"{name}.config.json").read_text())))
        keys = json.loads((GOLDEN / f"{name}.keys.json").read_text())
        weights = {rename(key): torch.from_numpy(recipe.tensor(key, shape)) for key, (shape, _) in keys.items()}
        weights.pop(None)  # the pre-training heads
        self.model.load_state_dict(weights, assign=True)
        self.model.eval()

    def inputs(self, *shape, **seed):
        """Audio, float32 [B, T, 104], and frames, float32 [B, T, 88, 88]."""
        video, audio = self.recipe.inputs(*shape, **seed)
        return torch.from_numpy(audio).mT, torch.from_numpy(video)[:, 0]

    def video(self, frames):
        return torch.stack([self.model.resnet(clip) for clip in frames])

    def __getitem__(self, name):
        return self.outputs[name]


@pytest.fixture(scope="module", params=SMALL)
def small(request, recipe):
    return Reference(request.param, recipe)


@pytest.fixture(scope="module", params=[*SMALL, "base", "large"])
def reference(request, recipe):
    return Reference(request.param, recipe)


@needs_golden
class TestParity:
    @pytest.fixture(autouse=True)
    def inference(self):
        with torch.inference_mode():
            yield

    def test_every_view_and_layer(self, reference):
        audio, frames = reference.inputs()
        seen = reference.video(frames)
        views = {"audio": {"audio": audio}, "video": {"video": seen}, "both": {"audio": audio, "video": seen}}
        met = {view: reference.model.fuse(**inputs) for view, inputs in views.items()}
        names = [name for name in reference.outputs if name.split(".")[0] in met]
        assert len(names) >= 9
        for name in names:
            view, layer = name.split(".layer_")
            features = reference.model.encoder(met[view], layer=None if layer == "none" else int(layer))
            assert largest(features[:, :: reference.step], reference[name]) < CLOSE, name

    def test_padded_batch(self, reference):
        audio, frames = reference.inputs(25, 2, seed=4321)
        audio[1, 15:], frames[1, 15:] = 0, 0
        mask = reference["padded.mask"]
        met = reference.model.fuse(audio, reference.video(frames))
        features = reference.model.encoder(met, torch.from_numpy(mask))[:, :: reference.step]
        valid = ~mask[:, :: reference.step]
        assert largest(features[valid], reference["padded.both.layer_none"][valid]) < CLOSE

    @pytest.mark.parametrize("length", [1, 2, 7])
    def test_short_clips(self, small, length):
        audio, frames = (whole[:, :length] for whole in small.inputs())
        features = small.model.encoder(small.model.fuse(audio, small.video(frames)))
        assert largest(features, small[f"short{length}.both.layer_none"]) < CLOSE

    def test_stages(self, small):
        audio, frames = small.inputs()
        seen = small.video(frames)
        met = small.model.fuse(audio, seen)
        stages = {
            "resnet_out": seen[:, ::6].mT,
            "features_audio": small.model.audio(audio).mT,
            "features_video": small.model.video(seen).mT,
            "post_extract_proj": met,
            "pos_conv": small.model.encoder.position(met),
        }
        for name, ours in stages.items():
            assert largest(ours, small[f"stage.{name}"]) < CLOSE, name


@pytest.fixture(scope="module")
def golden():
    """Sound and frames, and the outputs of the original for them."""
    return np.load(GOLDEN / "preprocess.npz")


@pytest.fixture(scope="module")
def waveform(golden):
    return golden["wav_int16"] / np.float32(32768)


@needs_golden
class TestPreprocessingParity:
    def test_filterbank(self, golden, waveform):
        assert largest(log_filterbank(golden["wav_int16"]), golden["logfbank26"]) < 1e-5
        assert largest(log_filterbank(waveform), golden["logfbank26_float_input"]) < 1e-5

    def test_stacking(self, golden):
        assert np.array_equal(stacked(golden["logfbank26"])[:49], golden["official_audio_prenorm"])

    def test_layer_norm(self, golden):
        ours, theirs = normalised(golden["official_audio_prenorm"]), golden["official_audio"]
        silent = np.ptp(golden["official_audio_prenorm"], axis=1) == 0
        assert largest(ours[~silent], theirs[~silent]) < 1e-5
        # Where all values of a frame are equal, the reference contains the rounding error of its own mean, 1.3e-4.
        assert largest(ours[silent], theirs[silent]) < 2e-4
        assert not ours[silent].any()

    def test_waveform_is_rounded_to_16_bits(self, golden, waveform):
        sounding = golden["official_audio"].std(axis=1) > 0.1
        assert largest(speech_input(waveform)[:49][sounding], golden["official_audio"][sounding]) < 1e-5

    def test_unscaled_waveform(self, golden, waveform):
        sounding = golden["avhalign_style_audio"].std(axis=1) > 0.1
        ours = normalised(stacked(log_filterbank(waveform)))[:49]
        assert largest(ours[sounding], golden["avhalign_style_audio"][sounding]) < 1e-5

    def test_frames(self, golden):
        assert largest(lip_input(golden["frames_uint8"]), golden["official_video"][..., 0]) < 1e-5

    def test_a_mean_face_is_cropped_around_its_mouth(self):
        """The patch holds each pixel's position: the crop shows 96 of the 256 pixels of the mean face's frame."""
        face = np.load(GOLDEN / "mean_face.npy")
        points = np.tile(face * 0.75, (20, 1, 1)).astype(np.float32)
        across = np.tile(np.arange(192, dtype=np.uint8), (20, 192, 1))
        offsets = np.arange(96) - 47.5
        for patches, centre, axis in ((across, 129.3, 2), (across.transpose(0, 2, 1), 157.8, 1)):
            crops = mouth_crops(np.ascontiguousarray(patches), align_faces(points))
            seen = crops.astype(float).mean(axis=(0, 3 - axis))
            np.testing.assert_allclose(seen, (centre + offsets) * 0.75, atol=0.6)


def noise(frames, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, frames * SAMPLES).astype(np.float32)


class TestSpeechInput:
    @pytest.mark.parametrize("frames", [1, 2, 7, 50])
    def test_104_values_per_frame(self, frames):
        features = speech_input(noise(frames))
        assert features.shape == (frames, 104)
        assert features.dtype == np.float32

    def test_gain_changes_nothing_but_the_end(self):
        assert largest(speech_input(noise(20))[:-1], speech_input(noise(20) / 2)[:-1]) < 0.01

    def test_digital_silence_is_zeros(self):
        assert not speech_input(np.zeros(5 * SAMPLES, np.float32))[:4].any()

    def test_sound_below_16_bits_is_silence(self):
        assert np.array_equal(speech_input(noise(5) * 1e-5), speech_input(np.zeros(5 * SAMPLES, np.float32)))

    def test_sound_beyond_full_scale_is_clipped(self):
        loud = 10 * noise(5)
        assert np.array_equal(speech_input(loud), speech_input(np.clip(loud, -1, 1)))


class TestLipInput:
    def test_the_centre_of_a_crop_is_normalised(self):
        crops = np.zeros((3, 96, 96), np.uint8)
        crops[:, 4:92, 4:92] = 255
        pixels = lip_input(crops)
        assert pixels.shape == (3, 88, 88)
        assert np.allclose(pixels, (1 - 0.421) / 0.165)

    def test_pieces_give_the_same_features_as_one_piece(self, monkeypatch):
        torch.manual_seed(0)
        network = resnet.ResNet().eval()
        frames = torch.randn(25, 88, 88)
        with torch.inference_mode():
            monkeypatch.setattr(resnet, "_PIECE_CPU", 25)
            whole = network(frames)
            monkeypatch.setattr(resnet, "_PIECE_CPU", 7)
            assert torch.allclose(network(frames), whole, atol=1e-6)


OPTIONS = {
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "layer_norm_first": True,
    "modality_fuse": "concat",
    "sub_encoder_layers": 0,
    "audio_feat_dim": 104,
    "activation_fn": "gelu",
    "resnet_relu_type": "prelu",
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "dropout": 0.1,
}


class TestPublished:
    def test_options(self):
        assert config_from_published(OPTIONS) == AVHuBERTConfig(12, 768, 3072, 12)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("activation_fn", "relu"),
            ("audio_feat_dim", 26),
            ("conv_pos", 64),
            ("encoder_layers", 10**9),
            ("encoder_layers", True),
            ("encoder_embed_dim", "768"),
            ("encoder_embed_dim", 760),
            ("encoder_attention_heads", 7),
            ("layer_norm_first", 1),
            ("modality_fuse", "product"),
            ("resnet_relu_type", "relu"),
            ("sub_encoder_layers", -1),
        ],
    )
    def test_options_that_are_not_implemented_are_refused(self, name, value):
        with pytest.raises(ValueError, match=r".+"):
            config_from_published({**OPTIONS, name: value})

    def test_a_missing_option_is_named(self):
        with pytest.raises(ValueError, match="encoder_layers"):
            config_from_published({name: value for name, value in OPTIONS.items() if name != "encoder_layers"})

    def test_tensors_of_pre_training_are_dropped(self):
        batches = "feature_extractor_video.resnet.frontend3D.1.num_batches_tracked"
        for key in ("mask_emb", "label_embs_concat", "final_proj.weight", "final_proj.bias", batches):
            assert rename(key) is None

    def test_an_unknown_key_stays_unknown(self):
        with torch.device("meta"):
            known = AVHuBERT(TINY).state_dict()
        assert rename("decoder.embed_tokens.weight") not in known


def tensors_of(config=TINY, seed=0):
    torch.manual_seed(seed)
    tensors = AVHuBERT(config).state_dict()
    return {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}


def write(path, tensors=None, **notes):
    """A converted checkpoint."""
    says = {"format": FORMAT, "config": json.dumps(asdict(TINY)), **notes}
    save_file(tensors_of() if tensors is None else tensors, path, says)
    return path


@pytest.fixture
def weights(tmp_path):
    return write(tmp_path / "tiny.safetensors")


def made(frames, seed=0):
    """A clip of a face that does not move, with random pictures."""
    rng = np.random.default_rng(seed)
    points = np.zeros((frames, 68, 2), np.float32)
    points[:, [33, 36, 39, 42, 45]] = [(97, 103), (69, 71), (85, 71), (109, 71), (125, 70)]
    points[:, 48:] = (97, 118)
    return FaceClip(
        track=0,
        start=0.0,
        patches=rng.integers(0, 256, (frames, 192, 192), dtype=np.uint8),
        points=points,
        squares=np.zeros((frames, 3), np.int64),
        alignment=align_faces(points),
        waveform=noise(frames, seed),
        speech_share=np.ones(frames, np.float32),
    )


class TestEncoder:
    def test_features_of_a_clip(self, weights):
        encoder = load_avhubert(str(weights), None, CPU)
        assert encoder.dim == 64
        for features in (*encoder.encode_lips([made(30)]), *encoder.encode_speech([made(30)])):
            assert features.shape == (30, 64)
            assert features.dtype == torch.float32
            assert features.device == CPU
            assert features.isfinite().all()

    def test_lips_are_of_video_alone_and_speech_of_audio_alone(self, weights):
        encoder = load_avhubert(str(weights), None, CPU)
        [lips], [speech] = encoder.encode_lips([made(12)]), encoder.encode_speech([made(12)])
        model, audio = read_model(weights), torch.from_numpy(speech_input(made(12).waveform))
        with torch.inference_mode():
            seen = model.resnet(torch.from_numpy(lip_input(made(12).mouths)))
            assert torch.allclose(model.encoder(model.fuse(video=seen[None]))[0], lips, atol=1e-6)
            assert torch.allclose(model.encoder(model.fuse(audio=audio[None]))[0], speech, atol=1e-6)

    @pytest.mark.parametrize("changes", [{}, {"layer_norm_first": False}, {"sub_encoder_layers": 1}])
    def test_a_batch_gives_the_same_features_as_single_clips(self, tmp_path, changes):
        config = AVHuBERTConfig(**{**asdict(TINY), **changes})
        path = write(tmp_path / "tiny.safetensors", tensors_of(config), config=json.dumps(asdict(config)))
        encoder = load_avhubert(str(path), None, CPU)
        clips = [made(length, length) for length in (20, 7, 1)]
        for of in (encoder.encode_lips, encoder.encode_speech):
            for together, clip in zip(of(clips), clips, strict=True):
                [alone] = of([clip])
                assert torch.allclose(together, alone, atol=1e-5)

    def test_layers(self, weights):
        clips = [made(9)]
        default, last, first = (
            load_avhubert(str(weights), layer, CPU).encode_speech(clips)[0] for layer in (None, 2, 1)
        )
        norm = read_model(weights).encoder.layer_norm
        assert torch.allclose(norm(last), default, atol=1e-6)
        assert not torch.allclose(first, last, atol=1e-2)

    def test_nothing_above_the_layer_is_computed(self, weights):
        model = read_model(weights)
        model.encoder.layers[1] = None
        assert model.encoder(torch.randn(1, 5, 64), layer=1).shape == (1, 5, 64)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    def test_gpu_agrees_with_cpu(self, weights):
        slow, fast = (load_avhubert(str(weights), None, torch.device(name)) for name in ("cpu", "cuda"))
        clips = [made(20), made(7, seed=1)]
        for ours, theirs in ((slow.encode_lips, fast.encode_lips), (slow.encode_speech, fast.encode_speech)):
            for one, other in zip(ours(clips), theirs(clips), strict=True):
                assert other.device == CPU
                assert other.dtype == torch.float32
                assert torch.cosine_similarity(one, other).min() > 0.99

    def test_key_names_weights_and_layer(self, tmp_path, weights):
        same, other = shutil.copy(weights, tmp_path / "same.safetensors"), tmp_path / "other.safetensors"
        write(other, tensors_of(seed=1))
        sources = [(weights, None), (same, None), (other, None), (weights, 1), (weights, 2)]
        keys = [load_avhubert(str(path), layer, CPU).key for path, layer in sources]
        assert keys[0] == keys[1]
        assert len(set(keys)) == 4


class TestLoading:
    def test_half_precision_becomes_single(self, tmp_path, weights):
        half = write(tmp_path / "half.safetensors", {name: value.half() for name, value in tensors_of().items()})
        model = read_model(half)
        assert {value.dtype for value in model.parameters()} == {torch.float32}
        [single], [halved] = (load_avhubert(str(path), None, CPU).encode_speech([made(9)]) for path in (weights, half))
        assert torch.allclose(single, halved, atol=0.05)

    def test_nothing_is_trained(self, weights):
        model = read_model(weights)
        assert not model.training
        assert not any(value.requires_grad for value in model.parameters())
        assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))

    @pytest.mark.parametrize("layer", [0, -1, 3])
    def test_no_such_layer(self, weights, layer):
        with pytest.raises(UsageError, match="layers 1 to 2"):
            load_avhubert(str(weights), layer, CPU)

    def refuses(self, path, *words):
        with pytest.raises(UsageError) as refusal:
            load_avhubert(str(path), None, CPU)
        text = str(refusal.value)
        assert "\n" not in text
        assert str(path) in text
        assert all(word in text for word in words)

    def test_missing_file(self, tmp_path):
        self.refuses(tmp_path / "none.safetensors")

    def test_other_format(self, tmp_path):
        self.refuses(write(tmp_path / "other.safetensors", format="avsync.temporal/1"))

    def test_truncated_file(self, weights):
        weights.write_bytes(weights.read_bytes()[:-100])
        self.refuses(weights)

    @pytest.mark.parametrize("cut", [-100, 60])
    def test_truncated_file_is_not_read_as_a_model(self, weights, cut):
        weights.write_bytes(weights.read_bytes()[:cut])
        with pytest.raises(UsageError, match="cannot be read"):
            read_model(weights)

    @pytest.mark.parametrize(
        "config", ["", "null", "[]", "[" * 100_000, "{}", json.dumps({**asdict(TINY), "layers": 10**9}), '{"depth": 1}']
    )
    def test_config_that_cannot_be_built(self, tmp_path, config):
        self.refuses(write(tmp_path / "odd.safetensors", config=config), "header")

    def test_lacking_tensor(self, tmp_path):
        tensors = tensors_of()
        del tensors["layer_norm.bias"]
        self.refuses(write(tmp_path / "odd.safetensors", tensors), "lacks layer_norm.bias")

    def test_stray_tensor(self, tmp_path):
        tensors = {**tensors_of(), "mask_emb": torch.zeros(104)}
        self.refuses(write(tmp_path / "odd.safetensors", tensors), "stray mask_emb")

    @pytest.mark.parametrize("value", [torch.zeros(64), torch.zeros(128, dtype=torch.int64)])
    def test_tensor_of_another_kind(self, tmp_path, value):
        tensors = {**tensors_of(), "layer_norm.bias": value}
        self.refuses(write(tmp_path / "odd.safetensors", tensors), "layer_norm.bias")

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_tensor_that_is_not_finite(self, tmp_path, weights, value):
        tensors = load_file(weights)
        tensors["encoder.layers.1.fc1.weight"][3, 4] = value
        self.refuses(write(tmp_path / "odd.safetensors", tensors), "encoder.layers.1.fc1.weight", "finite")
