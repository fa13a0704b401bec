"""The ResNet aligner: network, augmentation, segments and training on synthetic clips."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv3d, pad

from avsync.align.resnet import ResNetAligner, ResNetConfig
from avsync.align.resnet.data import ResNetData, Segments
from avsync.align.resnet.module import ResNetModule
from avsync.align.resnet.network import MouthResNet, centre
from avsync.align.resnet.transforms import MouthTransforms
from avsync.checkpoint import load_checkpoint, save_checkpoint
from avsync.config import OptimConfig, SegmentsConfig
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.errors import UsageError
from avsync.train.recipes import Training
from avsync.train.run import Run

DIM = 6
SMALL = ResNetConfig(speech_dim=DIM, width=8, features=4)


def crops(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def model():
    return ResNetAligner(SMALL).eval()


@dataclass(frozen=True)
class MadeUpClip:
    """Frame t is a picture of grey level t with speech features t; all of it is speech."""

    record: ClipRecord
    length: int

    @property
    def key(self):
        return self.record.name

    def frames(self):
        return self.length

    def read(self, name, start=0, stop=None):
        time = np.arange(self.length)[start:stop]
        return {
            "lips": np.repeat(time.astype(np.uint8), 96 * 96).reshape(-1, 96, 96),
            "speech": np.repeat(time.astype(np.float16)[:, None], DIM, axis=1),
            "speech_share": np.ones(len(time), np.float32),
        }[name]


def made_up(speaker, length=40):
    path = Path(speaker) / "1.mp4"
    return MadeUpClip(ClipRecord(path, str(path), "real", REAL_TYPE, "real", speaker, speaker), length)


class TestNetwork:
    def test_the_stem_equals_the_3d_convolution_of_lip_reading(self):
        network, mouths = MouthResNet().eval(), crops(1, 6, 88, 88)
        seen = []
        network.trunk.conv1.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        network(mouths)
        ends = torch.cat([mouths[:, :1], mouths[:, :1], mouths, mouths[:, -1:], mouths[:, -1:]], dim=1)
        kernel = network.trunk.conv1.weight[:, None]
        expected = conv3d((ends / 127.5 - 1)[:, None], kernel, stride=(1, 2, 2), padding=(0, 3, 3))
        torch.testing.assert_close(seen[0], expected[0].transpose(0, 1), atol=1e-4, rtol=1e-4)

    def test_a_feature_depends_on_two_frames_before_and_after(self):
        network, mouths = MouthResNet().eval(), crops(1, 12, 88, 88)
        other = mouths.clone()
        other[0, 6] = 0
        changed = (network(mouths) - network(other)).abs().amax(dim=2)[0] > 1e-6
        assert changed.nonzero()[:, 0].tolist() == [4, 5, 6, 7, 8]

    @pytest.mark.parametrize("frames", [1, 2, 101])
    def test_one_row_a_frame_piece_by_piece(self, frames, monkeypatch):
        network, mouths = MouthResNet().eval(), crops(1, frames, 88, 88)
        with torch.inference_mode():
            whole = network(mouths)
            monkeypatch.setattr("avsync.align.resnet.network._PIECE", 40)
            torch.testing.assert_close(network(mouths), whole, atol=1e-4, rtol=1e-4)
        assert whole.shape == (1, frames, 512)

    def test_centre_cuts_the_middle_of_crops(self):
        mouths = pad(torch.ones(2, 88, 88, dtype=torch.uint8), (4, 4, 4, 4))
        assert centre(mouths).min() == 1


class TestAligner:
    def test_features_have_unit_length_and_one_row_a_frame(self, model):
        lips, speech = model.lip_features(crops(2, 5, 88, 88)), model.speech_features(torch.randn(2, 5, DIM))
        assert lips.shape == speech.shape == (2, 5, 4)
        torch.testing.assert_close(torch.cat([lips, speech]).norm(dim=-1), torch.ones(4, 5))

    def test_every_parameter_learns(self, model):
        model.train()
        fit = (
            model.lip_features(crops(2, 5, 88, 88)) * model.speech_features(torch.randn(2, 5, DIM)) * model.temperature
        )
        (fit * torch.randn(4)).sum().backward()
        assert [name for name, value in model.named_parameters() if value.grad is None] == []

    def test_a_face_and_its_mirror_image_are_the_same(self, model):
        mouth, speech = crops(5, 96, 96), torch.randn(5, DIM).half()
        (lips, of_speech), (mirrored, _) = model.encode(mouth, speech), model.encode(mouth.flip(-1), speech)
        torch.testing.assert_close(lips, mirrored, atol=1e-5, rtol=1e-4)
        assert (lips.norm(dim=1) <= 1 + 1e-5).all()
        torch.testing.assert_close(of_speech.norm(dim=1), torch.ones(5))

    def test_fills_a_lattice(self, model):
        lattice = model.lattice(crops(5, 96, 96), torch.randn(5, DIM), torch.ones(5))
        inside = torch.arange(5)[:, None] + torch.arange(-15, 16)
        assert torch.equal(lattice.isnan(), (inside < 0) | (inside >= 5))

    def test_takes_mouth_crops_and_its_own_speech_features(self, model):
        assert model.accepts(96 * 96, DIM)
        assert not model.accepts(96 * 96, DIM + 1)
        assert not model.accepts(512, DIM)

    def test_a_loaded_model_equals_the_saved_one(self, model, tmp_path):
        path = tmp_path / "model.safetensors"
        save_checkpoint(model, path, {})
        again = load_checkpoint(path).model
        assert again.config == SMALL
        clip = crops(3, 96, 96), torch.randn(3, DIM)
        for before, after in zip(model.encode(*clip), again.encode(*clip), strict=True):
            torch.testing.assert_close(before, after)

    @pytest.mark.parametrize("settings", [{"speech_dim": 0}, {"width": 0}, {"features": 5000}, {"dropout": 1.0}])
    def test_refuses_settings_out_of_range(self, settings):
        with pytest.raises(ValueError, match="model"):
            ResNetConfig(**settings)


class TestTransforms:
    def altered(self, mouths, seed=3):
        torch.manual_seed(seed)
        return MouthTransforms()(mouths)

    def test_all_frames_of_a_clip_are_augmented_alike(self):
        for still in self.altered(crops(12, 1, 96, 96).expand(-1, 4, -1, -1)):
            assert (still == still[:1]).all()

    def test_frames_stay_in_order(self):
        bright = torch.tensor([20, 60, 100, 140], dtype=torch.uint8)[:, None, None].expand(12, 4, 96, 96)
        levels = self.altered(bright).float().mean(dim=(2, 3))
        assert (levels.diff(dim=1) > 0).all()

    def test_every_clip_is_augmented_differently(self):
        altered = self.altered(crops(1, 2, 96, 96).expand(8, -1, -1, -1))
        assert (altered.shape, altered.dtype) == ((8, 2, 88, 88), torch.uint8)
        assert len({clip.numpy().tobytes() for clip in altered}) == 8

    def test_the_same_seed_augments_the_same_way(self):
        mouths = crops(4, 2, 96, 96)
        assert torch.equal(self.altered(mouths), self.altered(mouths))
        assert not torch.equal(self.altered(mouths), self.altered(mouths, seed=4))


class TestSegments:
    def segments(self, clip, length):
        return [Segments([clip], length, (0, epoch))[0] for epoch in range(20)]

    def test_lips_and_speech_stay_in_sync(self):
        starts = set()
        for mouth, speech, weight in self.segments(made_up("ann"), 16):
            time = mouth[:, 0, 0].float()
            assert torch.equal(time, time[0] + torch.arange(16))
            assert torch.equal(speech, time[:, None].expand(16, DIM))
            assert (speech.dtype, weight.sum()) == (torch.float32, 16)
            starts.add(int(time[0]))
        assert len(starts) > 5
        assert starts <= set(range(25))

    def test_the_same_seed_and_epoch_give_the_same_segments(self):
        first, second = (self.segments(made_up("ann"), 16) for _ in range(2))
        assert all(torch.equal(a.speech, b.speech) for a, b in zip(first, second, strict=True))

    def test_a_short_clip_is_filled_with_silence(self):
        mouth, speech, weight = self.segments(made_up("ann", 10), 16)[0]
        assert mouth[:, 0, 0].tolist() == speech[:, 0].tolist() == [*range(10), *[9] * 6]
        assert weight.tolist() == [1] * 10 + [0] * 6


class TestTraining:
    def test_learns_which_lips_match_which_speech(self):
        """The opening of the mouth determines the speech features."""
        opening = torch.randint(2, 40, (2, 12), generator=torch.Generator().manual_seed(1))
        rows = (torch.arange(88) - 44).abs()
        mouth = torch.where(rows < opening[..., None], 30, 200).byte()[..., None].expand(-1, -1, -1, 88)
        speech = torch.cos(opening[..., None] * torch.arange(1, DIM + 1) / 12)
        model = ResNetAligner(ResNetConfig(speech_dim=DIM, width=32, features=16, dropout=0.0))
        module = ResNetModule(model, OptimConfig(), SegmentsConfig(per_speaker=1))
        module.log = lambda *_, **__: None
        optimizer = torch.optim.AdamW(module.parameters(), 1e-3)
        losses = []
        for _ in range(12):
            loss = module.loss(model.lip_features(mouth), model.speech_features(speech), torch.ones(2, 12))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] / 2

    def test_an_epoch_trains_and_logs_metrics(self, tmp_path):
        clips = [made_up(name, length) for name, length in (("ann", 20), ("ann", 9), ("bob", 20), ("cid", 18))]
        small = {"batch_size": 2, "per_speaker": 2, "segment": 8}
        config = SegmentsConfig(epochs=2, **small, loggers=["csv"], output_dir=str(tmp_path))
        model = ResNetAligner(SMALL)
        module, data = ResNetModule(model, OptimConfig(), config), ResNetData(clips[:2], clips[2:], config)
        before = {name: value.clone() for name, value in module.named_parameters()}
        metrics = Run(config, {}).fit(Training(model, module, data, gradient_clip=1.0))
        assert set(metrics) == {"retrieval", "swap_auc"}
        assert all(0 <= value <= 1 for value in metrics.values())
        assert "train_loss" in (tmp_path / "csv/version_0/metrics.csv").read_text()
        assert [name for name, value in module.named_parameters() if torch.equal(value, before[name])] == []


class TestPackages:
    def test_neither_torchvision_nor_transformers_is_needed_to_import(self):
        code = (
            "import sys; sys.modules |= {'torchvision': None, 'transformers': None};"
            "import avsync.align.resnet, avsync.align.resnet.transforms, avsync.encoders.speech_ssl, avsync.config"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_without_torchvision_a_checkpoint_says_what_to_install(self, model, tmp_path, monkeypatch):
        save_checkpoint(model, tmp_path / "model.safetensors", {})
        monkeypatch.setitem(sys.modules, "torchvision.models", None)
        with pytest.raises(UsageError, match="pip install 'avsync"):
            load_checkpoint(tmp_path / "model.safetensors")
