"""The registry of encoders: names, what each kind can do, and the encoders that need no foreign weights."""

import numpy as np
import pytest
import torch

from avsync.clip import SAMPLES, FaceClip
from avsync.encoders import registry
from avsync.encoders.registry import KINDS, Kind, choose_device, load_backbone, parse
from avsync.errors import UsageError
from avsync.face import align_faces
from avsync.speech import log_mel

CPU = torch.device("cpu")


def clip_of(frames, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform(60, 130, (frames, 68, 2)).astype(np.float32)
    return FaceClip(
        track=0,
        start=0.0,
        patches=rng.integers(0, 256, (frames, 192, 192), np.uint8),
        points=points,
        squares=np.tile([0, 0, 192], (frames, 1)),
        alignment=align_faces(points),
        waveform=rng.normal(0, 0.1, frames * SAMPLES).astype(np.float32),
        speech_share=np.ones(frames, np.float32),
    )


class TestNames:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_is_known_by_its_name_on_the_sides_it_encodes(self, kind):
        name = f"{kind}:source" if KINDS[kind].source == "required" else kind
        for side, whole in (("lips", f"{name}+temporal"), ("speech", f"temporal+{name}")):
            if side in KINDS[kind].sides:
                assert kind in {spec.kind for spec in parse(whole)}
            else:
                with pytest.raises(UsageError, match=f"{kind} does not encode {side}"):
                    parse(whole)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("hubert", "not a backbone"),
            ("mouth+ssl", "say which weights"),
            ("mouth:x+mel", "mouth has no weights"),
            ("mouth+mel@2", "only avhubert and ssl have layers"),
        ],
    )
    def test_what_a_kind_cannot_do_is_refused_in_one_line_before_anything_is_loaded(self, name, said):
        with pytest.raises(UsageError, match=said) as error:
            parse(name)
        assert "\n" not in str(error.value)

    def test_a_new_kind_is_one_line(self, monkeypatch):
        """A loader somewhere, an entry in KINDS: source, layer and device reach the loader."""
        monkeypatch.setitem(KINDS, "temporal", Kind("builtins:print", layers=True))
        said = []
        monkeypatch.setattr("builtins.print", lambda *given: said.append(given))
        registry.load_backbone("temporal:x@3", CPU)
        assert said == [("x", 3, CPU)]


class TestDevice:
    def test_none_is_a_gpu_if_there_is_one(self):
        assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
        assert choose_device("cpu") == CPU

    @pytest.mark.parametrize("name", ["gpu", "cuda:x", "meta", "", "cuda:99"])
    def test_a_bad_name_is_a_usage_error(self, name):
        with pytest.raises(UsageError, match="device"):
            choose_device(name)


class TestOwnEncoders:
    def test_mouths_and_mel_are_the_inputs_of_the_default_model(self):
        backbone, clip = load_backbone("mouth+mel", CPU), clip_of(9)
        [(lips, speech)] = backbone.encode([clip])
        assert np.array_equal(lips, clip.mouths)
        assert np.array_equal(speech.reshape(-1, 40), log_mel(clip.waveform))
        assert (speech.shape, backbone.speech.dim, backbone.key) == ((9, 160), 160, "mouth-1+mel-1")

    @pytest.mark.parametrize(("name", "types"), [("mouth+mel", ("uint8", "float32")), ("temporal", ("float16",) * 2)])
    def test_each_says_which_type_its_features_are_kept_in(self, name, types):
        backbone = load_backbone(name, CPU)
        assert (backbone.lips.dtype, backbone.speech.dtype) == tuple(getattr(torch, name) for name in types)

    def test_the_default_model_encodes_lips_and_speech_of_each_clip(self):
        [(lips, speech), (more, _)] = load_backbone("temporal", CPU).encode([clip_of(9), clip_of(4, seed=1)])
        assert lips.shape == speech.shape == (9, 96)
        assert more.shape == (4, 96)
        torch.testing.assert_close(speech.norm(dim=1), torch.ones(9))
