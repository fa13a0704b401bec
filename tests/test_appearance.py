"""The networks of the appearance check: what they see, how they learn from pairs, and what they start from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import FOOTAGE, data_of
from talking import voxceleb

from avsync.appearance import AppearanceConfig, AppearanceModel
from avsync.appearance.config import CLIP_FRAMES, LEAST_FRAMES, AppearanceOptions, AppearanceTrainer, FacesConfig
from avsync.appearance.data import Draws, RandomPairs, grey
from avsync.appearance.model import Judgement
from avsync.appearance.module import AppearanceModule
from avsync.appearance.networks import SmallTrunk
from avsync.appearance.start import load_start, start_file
from avsync.checkpoint import load_checkpoint, save_checkpoint
from avsync.config import OptimConfig
from avsync.errors import UsageError
from avsync.reconstruct.autoencoder import AutoencoderConfig, AutoencoderModel
from avsync.reconstruct.face import FACE_RECONSTRUCTIONS
from avsync.recording import open_recording
from avsync.train import train
from avsync.train.config import AppearanceTraining, load_config
from avsync.train.footage import find_footage

CONFIGS = Path(__file__).parents[1] / "configs"
NARROW = [4, 6, 8, 8]
NETWORKS = ["small", "clip", "resnet18", "efficientnet_b0"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A clip each of three people."""
    return voxceleb(tmp_path_factory.mktemp("people"), ["ann", "bob", "cid"])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where all trainings of this file keep what they decode."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def footages(tree, cache):
    return find_footage(data_of(tree, cache, "cid"), FOOTAGE, 192, 0).training


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """An autoencoder with random weights: a second kind of reconstruction."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("faces") / "model.safetensors"
    config = AutoencoderConfig(width=4, levels=2, latent=2, identities=["ann"])
    save_checkpoint(AutoencoderModel(config), path, {})
    return path


@pytest.fixture
def training(tree, cache, tmp_path):
    torch.set_num_threads(1)

    def made(folder=tmp_path / "out", rebuild=None, epochs=2, **model):
        return AppearanceTraining(
            data=data_of(tree, cache, "cid"),
            footage=FOOTAGE,
            rebuild=rebuild or FacesConfig(kinds=["self_blended"], blending="feathered", pairs=4, validation_pairs=2),
            model=AppearanceOptions(**{"network": "small", "widths": NARROW, "pixels": 64, **model}),
            trainer=AppearanceTrainer(epochs=epochs, batch_size=2, frames=2, loggers=["csv"], output_dir=str(folder)),
        )

    return made


def model_of(network="small", **settings):
    torch.manual_seed(0)
    return AppearanceModel(AppearanceConfig(network, **{"widths": NARROW, "pixels": 64, **settings})).eval()


def patches(frames=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 192, 192), np.uint8)


class TestModel:
    @pytest.mark.parametrize("network", NETWORKS)
    def test_every_network_says_whether_and_where(self, network):
        judged = model_of(network)(torch.from_numpy(patches(32)).reshape(2, 16, 192, 192)[..., :64, :64])
        assert judged.odds.shape == (2,)
        assert judged.places.shape[:2] == (2, 4 if network == "clip" else 16)
        assert judged.places.dim() == 4

    def test_brightness_and_contrast_do_not_matter(self):
        grey_levels = torch.from_numpy(patches(4)[None, :, :64, :64]).float()
        judged, other = (model_of()(shown).odds for shown in (grey_levels, 0.3 * grey_levels + 50))
        assert torch.allclose(judged, other, atol=1e-4)

    @pytest.mark.parametrize("over_time", [False, True])
    def test_slow_changes_of_light_are_not_seen(self, over_time):
        """Only what a blur takes away: a ramp is left out, up to the edges of the picture."""
        trunk = SmallTrunk(NARROW, over_time=over_time)
        noise = torch.rand(1, 1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
        lit = noise + torch.linspace(0, 3, 64)
        assert torch.allclose(trunk._detail(lit)[..., 2:-2], trunk._detail(noise)[..., 2:-2], atol=1e-5)
        assert trunk._detail(noise).std() > 0.1

    def test_a_picture_of_one_grey_is_judged(self):
        assert model_of().read(np.full((40, 192, 192), 7, np.uint8)).score == pytest.approx(
            model_of().read(np.full((40, 192, 192), 200, np.uint8)).score
        )

    def test_frames_are_read_evenly(self):
        seen = model_of().read(patches(71))
        assert seen.frames.tolist() == [0, 10, 20, 30, 40, 50, 60, 70]
        assert seen.map.shape == (8, 4, 4)

    def test_clips_cover_the_window(self):
        seen = model_of("clip").read(patches(40))
        starts = [0, 12, 24]  # of three clips of 16 frames; each has a map for every 4 frames
        assert seen.frames.tolist() == [start + 1.5 + 4 * number for start in starts for number in range(4)]
        assert seen.map.shape == (12, 4, 4)

    def test_only_the_middle_of_the_patch_is_read(self):
        changed = patches()
        changed[:, :64], changed[:, -64:] = 0, 0
        assert model_of().read(changed).score == model_of().read(patches()).score

    @pytest.mark.parametrize("network", ["small", "clip"])
    def test_the_score_is_the_mean_over_what_is_read(self, network):
        model, window = model_of(network), patches(64)
        if network == "clip":
            parts = [window[start : start + CLIP_FRAMES] for start in (0, 16, 32, 48)]
        else:
            parts = [window[index : index + 1] for index in (0, 9, 18, 27, 36, 45, 54, 63)]
        assert model.read(window).score == pytest.approx(np.mean([model.read(part).score for part in parts]), abs=1e-5)

    def test_a_clip_network_sees_the_order_of_frames_and_a_frame_network_does_not(self):
        window = patches(16)
        shuffled = window[np.random.default_rng(1).permutation(16)]
        both = [torch.from_numpy(shown[None, :, :64, :64]) for shown in (window, shuffled)]
        frames, clips = ([model_of(network)(shown).odds for shown in both] for network in ("small", "clip"))
        assert torch.allclose(*frames, atol=1e-5)
        assert not torch.allclose(*clips, atol=1e-5)


FEATHERED = FacesConfig(blending="feathered")


class TestPairs:
    def drawn(self, footages, kinds=("self_blended",), count=4, seed=(0,), frames=2, pixels=64, rebuild=FEATHERED):
        return RandomPairs(footages, Draws(list(kinds), count, frames, pixels, seed), rebuild)

    def test_are_the_same_whenever_they_are_asked_for(self, footages):
        one, two = self.drawn(footages), self.drawn(footages)
        assert all(torch.equal(a, b) for a, b in zip(one[1], two[1], strict=True))
        assert not torch.equal(one[1].real, one[2].real)

    def test_differ_by_the_reconstruction_alone(self, footages):
        pair = self.drawn(footages, pixels=192, rebuild=replace(FEATHERED, camera=0.0))[0]
        places = torch.nn.functional.interpolate(pair.mask[:, None], (192, 192), mode="nearest")[:, 0]
        assert torch.equal(pair.real[places == 0], pair.rebuilt[places == 0])
        assert not torch.equal(pair.real, pair.rebuilt)
        assert 0 < pair.mask.max() <= 1

    def test_real_and_rebuilt_go_through_one_camera(self, footages, monkeypatch):
        """With a reconstruction that changes nothing, nothing differs."""
        monkeypatch.setattr("avsync.appearance.data.rebuild_face", unchanged)
        pairs = self.drawn(footages, count=8)
        assert all(torch.equal(pairs[index].real, pairs[index].rebuilt) for index in range(8))

    def test_are_long_enough_for_their_kind(self, footages, monkeypatch):
        """A kind that moves the mouth in time changes nothing in a few pictures; they would be labelled rebuilt."""
        seen = []
        monkeypatch.setattr(
            "avsync.appearance.data.rebuild_face", lambda f, *a, **_: seen.append(len(f)) or unchanged(f, *a)
        )
        assert self.drawn(footages, ["flicker", "retimed_mouth"])[0]
        assert self.drawn(footages, ["retimed_mouth"])[0]
        assert seen == [LEAST_FRAMES, FACE_RECONSTRUCTIONS["retimed_mouth"].frames]

    def test_the_kinds_take_turns(self, footages, network_file):
        pairs = self.drawn(footages, ["self_blended", f"autoencoder:{network_file}"])
        assert [int(pairs[index].kind) for index in range(4)] == [0, 1, 0, 1]

    def test_faces_are_rebuilt_by_their_own_decoder(self, footages, network_file, monkeypatch):
        asked = []
        monkeypatch.setattr(
            "avsync.appearance.data.rebuild_face",
            lambda f, kind, rng, **k: asked.append(kind) or unchanged(f, kind, rng),
        )
        pairs = self.drawn(footages[:1], [f"autoencoder:{network_file}"])
        assert pairs[0]
        assert asked == [f"autoencoder:{network_file}@ann"]

    def test_grey_is_what_the_checks_are_given(self, tree, footages):
        """The network learns from colour that was made grey; it judges grey that was decoded."""
        (clip,) = open_recording(tree / "dev/mp4/ann/video/00001.mp4").face_clips(whole=True)
        decoded, made = clip.patches[: FOOTAGE.frames], grey(footages[0].read().pictures)
        assert np.abs(decoded.astype(int) - made).max() <= 2


def unchanged(footage, _kind, _rng, **_):
    from avsync.reconstruct.face import Rebuilt

    return Rebuilt(footage.pictures, np.zeros(footage.pictures.shape[:3], np.float32), "hull")


class TestTraining:
    def test_a_tree_of_faces_becomes_a_model_of_the_appearance(self, training, network_file):
        kinds = FacesConfig(
            kinds=["self_blended"], left_out=[f"autoencoder:{network_file}"], pairs=4, validation_pairs=4
        )
        weights = train(training(rebuild=kinds))
        checkpoint = load_checkpoint(weights)
        assert checkpoint.model.check == "appearance"
        said = checkpoint.notes["provenance"]
        assert said["data"]["trained_on"] == ["ann", "bob"]
        assert set(said["metrics"]) == {
            "auc_self_blended",
            f"auc_autoencoder:{network_file}",
            "auc_seen",
            "auc_left_out",
        }
        assert load_checkpoint(network_file).sha256 in said["config"]["features"]  # a name says nothing of a file

    @pytest.mark.parametrize("network", ["small", "clip"])
    def test_one_that_was_stopped_ends_with_the_same_weights(self, network, training, tmp_path):
        whole = train(training(tmp_path / "whole", network=network))
        shutil.copytree(whole.parent, tmp_path / "stopped")
        (tmp_path / "stopped" / "model.safetensors").unlink()
        (tmp_path / "stopped" / "checkpoints" / "last.ckpt").unlink()  # as if it was killed in the last epoch
        assert train(training(tmp_path / "stopped", network=network)).read_bytes() == whole.read_bytes()

    def test_workers_change_nothing(self, training, tmp_path):
        config = training(tmp_path / "whole", epochs=1)
        alone = train(config)
        trainer = replace(config.trainer, num_workers=1, output_dir=str(tmp_path / "beside"))
        assert train(replace(config, trainer=trainer)).read_bytes() == alone.read_bytes()

    def test_it_learns_which_faces_were_rebuilt_and_where(self):
        """Rebuilt: a smooth square in noise. The places are those of the square."""
        torch.manual_seed(0)
        model = AppearanceModel(AppearanceConfig("small", NARROW, 64, 0.0)).train()
        module = AppearanceModule(model, OptimConfig(), AppearanceTrainer(), ["any"], 0)
        optimizer, generator = torch.optim.AdamW(model.parameters(), 1e-2), torch.Generator().manual_seed(0)
        mask = torch.zeros(8, 1, 16, 16)
        mask[:, :, 4:8, 8:12] = 1
        for _ in range(40):
            real = torch.randint(0, 256, (8, 1, 64, 64), generator=generator, dtype=torch.uint8)
            rebuilt = real.clone()
            rebuilt[:, :, 16:32, 32:48] = 128
            loss = module._loss(module._judge(torch.cat([real, rebuilt])), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        judged = module._judge(torch.cat([real, rebuilt]))
        assert judged.odds[8:].min() > judged.odds[:8].max()
        assert judged.places[8:].mean(dim=(0, 1)).argmax() == 1 * 4 + 2  # of 4 by 4 places

    def test_a_rebuilt_face_is_ranked_above_its_own_real_one(self):
        """The same odds of the same faces, but of other pairs: only the ranking sees a difference."""
        module = AppearanceModule(model_of(), OptimConfig(), AppearanceTrainer(), ["any"], 0)
        real, places, mask = [0.0, 1.0], torch.zeros(4, 1, 4, 4), torch.zeros(2, 1, 16, 16)
        ranked, crossed = (
            float(module._loss(Judgement(torch.tensor([*real, *rebuilt]), places), mask))
            for rebuilt in ([0.5, 1.5], [1.5, 0.5])
        )
        ranks = [torch.tensor(apart).exp().log1p().mean() for apart in ([-0.5, -0.5], [-1.5, 0.5])]
        assert crossed - ranked == pytest.approx(float(ranks[1] - ranks[0]), abs=1e-6)

    def test_a_kind_that_is_not_known_is_refused_before_anything_is_decoded(self, training, tmp_path):
        config = training(rebuild=FacesConfig(kinds=["wax"]))
        with pytest.raises(UsageError, match="wax"):
            train(replace(config, data=replace(config.data, cache=str(tmp_path / "cache"))))
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize("name", ["face_sbi.yaml", "face_reconstruction.yaml"])
    def test_the_configs_that_are_shipped_are_valid(self, name):
        assert load_config(CONFIGS / name, ["data.root=x"]).recipe == "face"

    @pytest.mark.parametrize(
        "wrong",
        [
            "model.network=vgg",
            "model.pixels=300",
            "rebuild.left_out=[self_blended]",
            "rebuild.blending=glue",
            "rebuild.camera=1.5",
            "trainer.frames=99",
            "footage.frames=3",
        ],
    )
    def test_a_setting_out_of_range_is_named(self, wrong):
        with pytest.raises(UsageError, match=wrong.partition("=")[0]):
            load_config(CONFIGS / "face_sbi.yaml", ["data.root=x", wrong])


class TestStart:
    def test_from_a_model_goes_on_from_its_weights(self, tmp_path):
        path = tmp_path / "model.safetensors"
        save_checkpoint(model_of(), path, {})
        torch.manual_seed(1)
        other = AppearanceModel(model_of().config)
        load_start(other, start_file("small", str(path)))
        wanted = model_of().state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())

    @pytest.mark.parametrize("network", ["resnet18", "efficientnet_b0"])
    def test_from_weights_of_torchvision_takes_all_but_the_classes(self, network, tmp_path):
        from torchvision import models

        torch.manual_seed(1)
        published = getattr(models, network)(weights=None)
        torch.save(published.state_dict(), tmp_path / "weights.pth")
        model = model_of(network)
        load_start(model, start_file(network, str(tmp_path / "weights.pth")))
        first = published.conv1 if network == "resnet18" else published.features[0][0]
        last = published.layer4[1].bn2 if network == "resnet18" else published.features[8][1]
        held = model.trunk.layers
        assert torch.equal((held[0] if network == "resnet18" else held[0][0]).weight, first.weight)
        assert torch.equal((held[7][1].bn2 if network == "resnet18" else held[8][1]).weight, last.weight)

    def test_from_imagenet_says_how_to_get_it(self, monkeypatch, tmp_path):
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path))
        with pytest.raises(UsageError, match="avsync weights pull efficientnet_b4"):
            start_file("efficientnet_b4", "imagenet")

    def test_a_network_of_ours_has_no_weights_of_imagenet(self):
        with pytest.raises(UsageError, match="there are no such weights of clip"):
            start_file("clip", "imagenet")

    @pytest.mark.parametrize("content", [b"", b"no weights"])
    def test_a_file_that_is_something_else_is_refused(self, content, tmp_path):
        (tmp_path / "weights.pth").write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read as weights of torchvision"):
            load_start(model_of("resnet18"), tmp_path / "weights.pth")

    def test_weights_of_another_network_are_refused(self, tmp_path):
        save_checkpoint(model_of("clip"), tmp_path / "model.safetensors", {})
        torch.save(model_of("resnet18").state_dict(), tmp_path / "weights.pth")
        with pytest.raises(UsageError, match="no model of the network small"):
            load_start(model_of("small"), tmp_path / "model.safetensors")
        with pytest.raises(UsageError, match="has no weights for"):
            load_start(model_of("efficientnet_b0"), tmp_path / "weights.pth")

    def test_a_file_that_is_missing_is_named(self):
        with pytest.raises(UsageError, match="is no file"):
            start_file("small", "none.safetensors")

    def test_what_a_training_starts_from_is_known_by_its_content(self, training, tmp_path):
        path = tmp_path / "model.safetensors"
        save_checkpoint(model_of(), path, {})
        weights = train(training(epochs=1, start=str(path)))
        notes = json.loads(weights.with_suffix(".json").read_text())
        assert load_checkpoint(path).sha256 in notes["provenance"]["config"]["features"]
