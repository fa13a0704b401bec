"""The head of AVH-Align: its lattice, its loss, its batches, and that it learns."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch.nn.functional import normalize

from avsync.align import TAU, MLPAligner, MLPConfig
from avsync.align.losses import misalignment
from avsync.align.mlp.data import Frames, MLPData, cut, whole_clips
from avsync.align.mlp.model import candidate_rows
from avsync.align.mlp.module import MLPModule
from avsync.config import FramesConfig, PlateauConfig

LIPS, SPEECH = 12, 10
K = 2 * TAU + 1


@dataclass(frozen=True)
class Arrays:
    """A clip in memory."""

    arrays: dict[str, np.ndarray]

    def frames(self):
        return len(self.arrays["speech_share"])

    def read(self, name, start=0, stop=None):
        return self.arrays[name][start:stop]


def clip(frames, seed, silent=0):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=(frames, size)).astype(np.float16) for name, size in SIZES.items()}
    weight = rng.uniform(0.1, 1, frames).astype(np.float32)
    weight[:silent] = 0
    return Arrays(arrays | {"speech_share": weight})


SIZES = {"lips": LIPS, "speech": SPEECH}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MLPAligner(MLPConfig(LIPS, SPEECH))


def pair_by_pair(model, clip):
    """The lattice of one clip as the paper defines it: pair by pair, zero vectors outside the clip."""
    number = model.mlp[0].weight.dtype
    lips, speech = (normalize(torch.from_numpy(clip.read(name)).to(number), dim=1) for name in ("lips", "speech"))
    rows = []
    for t in range(len(lips)):
        row = []
        for at in range(t - TAU, t + TAU + 1):
            other = speech[at] if 0 <= at < len(speech) else torch.zeros(SPEECH, dtype=number)
            row.append(model.mlp(torch.cat([model.visual_proj(lips[t]), model.audio_proj(other)])))
        rows.append(torch.cat(row))
    return torch.stack(rows)


def inside(frames):
    at = torch.arange(frames)[:, None] + torch.arange(-TAU, TAU + 1)
    return (at >= 0) & (at < frames)


def batches_of(clips, size):
    frames = Frames(cut(whole_clips(clips), size))
    return [frames[index] for index in range(len(frames))]


class TestLattice:
    @pytest.mark.parametrize("frames", [1, 2, 40])
    def test_equals_the_definition_pair_by_pair(self, model, frames):
        some = clip(frames, seed=1)
        lips, speech, weight = (torch.from_numpy(some.read(name)) for name in ("lips", "speech", "speech_share"))
        lattice = model.lattice(lips.float(), speech.float(), weight)
        assert lattice.shape == (frames, K)
        torch.testing.assert_close(
            lattice[inside(frames)], pair_by_pair(model, some)[inside(frames)].detach(), atol=1e-5, rtol=0
        )

    def test_is_nan_outside_the_clip(self, model):
        lattice = model.lattice(torch.randn(20, LIPS), torch.randn(20, SPEECH), torch.ones(20))
        assert torch.equal(lattice.isnan(), ~inside(20))

    def test_the_scale_of_features_does_not_matter(self, model):
        lips, speech, weight = torch.randn(20, LIPS), torch.randn(20, SPEECH), torch.ones(20)
        scaled = model.lattice(3 * lips, speech / 7, weight)
        torch.testing.assert_close(scaled, model.lattice(lips, speech, weight), equal_nan=True)

    def test_accepts_only_features_of_its_dimensions(self, model):
        assert model.accepts(LIPS, SPEECH)
        assert not model.accepts(SPEECH, LIPS)

    @pytest.mark.parametrize("config", [{"lips": 0}, {"speech": -1}, {"lips": 1 << 20}])
    def test_a_config_out_of_range_is_refused(self, config):
        with pytest.raises(ValueError, match=r"model\.lips and model\.speech"):
            MLPConfig(**config)


class TestLoss:
    def test_loss_and_gradients_equal_those_computed_pair_by_pair(self, model):
        model.double()  # in float32, gradients differ by chance at the kink of a ReLU
        clips = [clip(35, seed=1, silent=5), clip(3, seed=2), clip(50, seed=3)]
        (batch,) = batches_of(clips, size=1024)
        model.loss(*batch).backward()
        ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

        model.zero_grad()
        losses = torch.cat([misalignment(pair_by_pair(model, c)) for c in clips])
        expected = (losses * batch.speech_share).sum() / batch.speech_share.sum()
        expected.backward()
        torch.testing.assert_close(model.loss(*batch), expected, atol=1e-7, rtol=0)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(ours[name], parameter.grad, atol=1e-7, rtol=0, msg=name)

    def test_is_minus_the_log_softmax_at_offset_0(self):
        lattice = torch.zeros(2, K)
        lattice[1, TAU] = 5.0
        expected = [np.log(K), np.log(np.exp(5.0) + K - 1) - 5.0]
        assert misalignment(lattice).tolist() == pytest.approx(expected)

    def test_silence_does_not_count(self, model):
        spoken, silent = clip(40, seed=1), clip(40, seed=2, silent=40)
        (both,), (one,) = batches_of([spoken, silent], 1024), batches_of([spoken], 1024)
        torch.testing.assert_close(model.loss(*both), model.loss(*one))

    def test_is_0_without_a_gradient_where_nobody_speaks(self, model):
        (batch,) = batches_of([clip(20, seed=1, silent=20)], 1024)
        loss = model.loss(*batch)
        loss.backward()
        assert loss == 0
        assert all((parameter.grad == 0).all() for parameter in model.parameters())


class TestPublishedWeights:
    SHAPES = {  # noqa: RUF012
        "visual_proj.weight": (512, 1024),
        "visual_proj.bias": (512,),
        "audio_proj.weight": (512, 1024),
        "audio_proj.bias": (512,),
        **{
            f"mlp.{i}.weight": shape for i, shape in {0: (512, 1024), 3: (256, 512), 6: (128, 256), 9: (1, 128)}.items()
        },
        **{f"mlp.{i}.bias": (size,) for i, size in {0: 512, 3: 256, 6: 128, 9: 1}.items()},
        **{f"mlp.{i}.{part}": (size,) for i, size in {1: 512, 4: 256, 7: 128}.items() for part in ("weight", "bias")},
    }

    def test_published_weights_load(self):
        published = {"state_dict": {name: torch.randn(shape) for name, shape in self.SHAPES.items()}, "epoch": 3}
        model = MLPAligner(MLPConfig())
        model.load_state_dict(published["state_dict"], strict=True)
        assert torch.equal(model.mlp[3].weight, published["state_dict"]["mlp.3.weight"])

    def test_lips_come_before_speech(self, model):
        with torch.no_grad():
            model.mlp[0].weight[:, :512] = 0
        lips, speech, weight = torch.randn(20, LIPS), torch.randn(20, SPEECH), torch.ones(20)
        before = model.lattice(lips, speech, weight)
        torch.testing.assert_close(model.lattice(torch.randn(20, LIPS), speech, weight), before, equal_nan=True)


class TestBatches:
    CLIPS = tuple(clip(frames, seed) for seed, frames in enumerate([70, 1, 9, 120, 33]))

    def test_every_frame_is_in_one_batch(self):
        batches = batches_of(self.CLIPS, size=50)
        assert [len(batch.lips) for batch in batches] == [50, 50, 50, 50, 33]
        for name in ("lips", "speech_share"):
            in_batches = torch.cat([getattr(batch, name) for batch in batches])
            assert np.array_equal(in_batches, np.concatenate([c.read(name) for c in self.CLIPS]))

    def test_candidates_come_from_the_frames_own_clip_also_where_it_is_cut(self):
        batches = batches_of(self.CLIPS, size=50)
        windows = torch.cat([batch.speech[batch.candidates] for batch in batches])
        expected = []
        for c in self.CLIPS:
            padded = np.pad(c.read("speech"), ((TAU, TAU), (0, 0)))
            expected += [padded[t : t + K] for t in range(c.frames())]
        assert np.array_equal(windows, np.stack(expected))

    def test_a_batch_holds_only_speech_that_is_a_candidate(self):
        (first, *_) = batches_of([clip(1000, seed=0)], size=50)
        assert len(first.speech) == 1 + 50 + TAU
        assert set(first.candidates.flatten().tolist()) == set(range(len(first.speech)))

    def test_candidates_of_a_range_are_those_of_the_clip(self):
        assert torch.equal(candidate_rows(40, 7, 19), candidate_rows(40)[7:19])


class TestMLPData:
    def epoch(self, number, seed=0):
        data = MLPData(TestBatches.CLIPS, TestBatches.CLIPS[:2], FramesConfig(frames=50, seed=seed))
        data.trainer = SimpleNamespace(current_epoch=number, global_rank=0, world_size=1)
        return torch.cat([batch.lips for batch in data.train_dataloader()])

    def test_the_same_seed_and_epoch_give_the_same_batches(self):
        assert torch.equal(self.epoch(3), self.epoch(3))

    def test_epochs_and_seeds_differ_in_order_only(self):
        first, other, reseeded = self.epoch(0), self.epoch(1), self.epoch(0, seed=1)
        assert not torch.equal(first, other)
        assert not torch.equal(first, reseeded)
        assert torch.equal(first.sort(dim=0).values, other.sort(dim=0).values)

    def test_validation_takes_whole_clips(self):
        data = MLPData(TestBatches.CLIPS, TestBatches.CLIPS[:2], FramesConfig(frames=50))
        assert [len(batch.lips) for batch in data.val_dataloader()] == [70, 1]


def echo(frames, seed):
    """A clip with features of lips that match its features of speech."""
    rng = np.random.default_rng(seed)
    speech = rng.normal(size=(frames, SPEECH)).astype(np.float16)
    lips = np.pad(speech, ((0, 0), (0, LIPS - SPEECH)))
    return Arrays({"lips": lips, "speech": speech, "speech_share": np.ones(frames, np.float32)})


@pytest.mark.filterwarnings("ignore:.*LeafSpec")
class TestTraining:
    def fit(self, folder, epochs, resume=None, lr=1e-3):
        torch.manual_seed(0)
        module = MLPModule(MLPAligner(MLPConfig(LIPS, SPEECH)), PlateauConfig(lr=lr))
        train, validation = [echo(90, seed) for seed in range(6)], [echo(60, seed=100)]
        trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
        )
        trainer.fit(module, datamodule=MLPData(train, validation, FramesConfig(frames=128)), ckpt_path=resume)
        return module, trainer

    def test_training_finds_the_matching_speech(self, tmp_path):
        metrics = self.fit(tmp_path, epochs=4)[1].callback_metrics
        guess = np.log(K)
        assert metrics["train_loss"] < guess / 2
        assert metrics["val_loss"] < guess / 2
        assert metrics["val_accuracy"] > 0.9

    def test_an_untrained_head_is_at_chance(self, tmp_path):
        metrics = self.fit(tmp_path, epochs=1, lr=1e-9)[1].callback_metrics
        assert metrics["val_loss"] == pytest.approx(np.log(K), abs=0.2)
        assert metrics["val_accuracy"] < 0.3

    def test_a_resumed_training_gives_the_same_weights_as_an_uninterrupted_one(self, tmp_path):
        whole, _ = self.fit(tmp_path, epochs=3)
        _, trainer = self.fit(tmp_path, epochs=2)
        trainer.save_checkpoint(tmp_path / "two.ckpt")
        resumed, _ = self.fit(tmp_path, epochs=3, resume=tmp_path / "two.ckpt")
        for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
            assert torch.equal(ours, theirs)

    def test_the_rate_falls_to_a_tenth_on_a_plateau(self, model):
        chosen = MLPModule(model, PlateauConfig(lr=1e-3, lr_patience=2)).configure_optimizers()
        schedule = chosen["lr_scheduler"]["scheduler"]
        for _ in range(4):
            schedule.step(1.0)
        assert chosen["lr_scheduler"]["monitor"] == "val_loss"
        assert chosen["optimizer"].param_groups[0]["lr"] == pytest.approx(1e-4)
