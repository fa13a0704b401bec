"""Networks that rebuild faces: what they make of footage, how they learn, and whose decoder is used."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import FOOTAGE, data_of, talking
from talking import voxceleb

from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.errors import UsageError
from avsync.reconstruct.autoencoder import AutoencoderConfig, AutoencoderModel
from avsync.reconstruct.autoencoder.config import KINDS, AutoencoderOptim, AutoencoderOptions, PicturesConfig
from avsync.reconstruct.autoencoder.data import Faces
from avsync.reconstruct.autoencoder.losses import gradient_distance, structure_distance
from avsync.reconstruct.autoencoder.module import AutoencoderModule
from avsync.reconstruct.autoencoder.networks import DrawnCode, QuantisedCode
from avsync.reconstruct.face import identity, load_face_reconstruction
from avsync.train import train
from avsync.train.config import AutoencoderTraining, load_config
from avsync.train.footage import find_footage

CONFIG = Path(__file__).parents[1] / "configs" / "face_autoencoder.yaml"
TINY = {"width": 8, "levels": 3, "latent": 4, "codebooks": 2, "entries": 8}
PEOPLE = ["ann", "bob", "cid"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A clip each of three people."""
    return voxceleb(tmp_path_factory.mktemp("people"), PEOPLE)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where all trainings of this file keep what they decode."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def training(tree, cache, tmp_path):
    torch.set_num_threads(1)

    def made(folder=tmp_path / "out", **model):
        return AutoencoderTraining(
            data=data_of(tree, cache, "cid"),
            footage=FOOTAGE,
            model=AutoencoderOptions(**{**TINY, "decoders": 1, **model}),
            trainer=PicturesConfig(epochs=2, steps=2, batch_size=2, loggers=["csv"], output_dir=str(folder)),
        )

    return made


def model_of(kind="plain", identities=(), **settings):
    torch.manual_seed(0)
    return AutoencoderModel(AutoencoderConfig(**{**TINY, "kind": kind, **settings}, identities=list(identities))).eval()


class TestTraining:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_tree_of_faces_becomes_a_network_that_rebuilds_faces(self, kind, training):
        weights = train(training(kind=kind))
        rebuilt = load_face_reconstruction(f"autoencoder:{weights}")(talking(), np.random.default_rng(0))
        assert rebuilt.shape == talking().pictures.shape
        assert rebuilt.min() >= 0
        assert rebuilt.max() <= 255
        notes = json.loads(weights.with_suffix(".json").read_text())
        assert notes["provenance"]["data"]["trained_on"] == ["ann", "bob"]
        assert set(notes["provenance"]["metrics"]) == {"psnr", "val_loss"}
        assert notes["model"]["identities"] == ["ann"]  # as many as have a clip each; the first of them

    def test_one_that_was_stopped_ends_with_the_same_weights(self, training, tmp_path):
        whole = train(training(tmp_path / "whole", kind="kl"))
        shutil.copytree(whole.parent, tmp_path / "stopped")
        (tmp_path / "stopped" / "model.safetensors").unlink()
        (tmp_path / "stopped" / "checkpoints" / "last.ckpt").unlink()  # as if it was killed in the last epoch
        assert train(training(tmp_path / "stopped", kind="kl")).read_bytes() == whole.read_bytes()

    def test_it_learns_to_rebuild_a_face(self):
        torch.manual_seed(0)
        pictures = torch.from_numpy(talking(64).pictures[:2].transpose(0, 3, 1, 2).copy()).float() / 255
        model = model_of(width=16).train()
        module = AutoencoderModule(model, AutoencoderOptim(), PicturesConfig())
        optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
        losses = []
        for _ in range(60):
            loss = module._loss(pictures, torch.zeros(2, dtype=torch.int64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.4 * losses[0]

    def test_a_tree_with_fakes_is_refused(self, training, tmp_path):
        fakes = tmp_path / "tree" / "FakeVideo-RealAudio" / "ann"
        fakes.mkdir(parents=True)
        config = training()
        with pytest.raises(UsageError, match="real recordings only"):
            train(replace(config, data=replace(config.data, root=str(tmp_path / "tree"))))

    def test_the_config_that_is_shipped_is_valid(self):
        assert load_config(CONFIG, ["data.root=x", "model.size=256", "model.kind=vq"]).model.size == 256

    @pytest.mark.parametrize("wrong", ["model.kind=gan", "model.size=100", "model.decoders=1000", "optim.structure=-1"])
    def test_a_setting_out_of_range_is_named(self, wrong):
        with pytest.raises(UsageError, match=wrong.partition("=")[0]):
            load_config(CONFIG, ["data.root=x", wrong])


class TestFootage:
    def found(self, tree, cache, size=128):
        return find_footage(data_of(tree, cache, "cid"), FOOTAGE, size, 0)

    def test_is_split_by_people(self, tree, cache):
        split = self.found(tree, cache)
        assert [stored.speaker for stored in split.training] == ["ann", "bob"]
        assert [stored.speaker for stored in split.validation] == ["cid"]

    def test_is_decoded_once(self, tree, cache, monkeypatch):
        first = self.found(tree, cache).training[0].read()
        monkeypatch.setattr("avsync.train.footage.read_footage", None)
        assert np.array_equal(self.found(tree, cache).training[0].read().pictures, first.pictures)

    def test_parts_are_read_alone(self, tree, cache):
        stored = self.found(tree, cache).training[0]
        whole, part = stored.read(), stored.read(3, 7)
        assert len(whole) == stored.frames == FOOTAGE.frames
        for name in ("pictures", "points", "squares"):
            assert np.array_equal(getattr(part, name), getattr(whole[3:7], name))
        assert part.start == pytest.approx(whole[3:7].start)

    def test_of_clips_that_show_no_face_is_left_out_and_not_looked_for_again(self, tree, cache, tmp_path, monkeypatch):
        copied = shutil.copytree(tree, tmp_path / "tree")
        (copied / "dev" / "mp4" / "ann" / "video" / "00002.mp4").write_bytes(b"no film")
        assert self.found(copied, cache).left_out == 1
        monkeypatch.setattr("avsync.train.footage.read_footage", None)
        assert self.found(copied, cache).left_out == 1

    def test_of_a_speaker_is_limited(self, tree, cache, tmp_path):
        copied = shutil.copytree(tree, tmp_path / "tree")
        clip = copied / "dev" / "mp4" / "ann" / "video" / "00001.mp4"
        shutil.copy(clip, clip.with_name("00002.mp4"))
        data = data_of(copied, cache, "cid")
        assert len(find_footage(data, FOOTAGE, 128, 0).training) == 3
        assert len(find_footage(data, replace(FOOTAGE, per_speaker=1), 128, 0).training) == 2

    def test_the_same_draw_gives_the_same_pictures_and_people_are_drawn_alike(self, tree, cache):
        stored = self.found(tree, cache)
        uneven = [*stored.training[:1] * 9, *stored.training[1:]]
        one, two = (Faces(uneven, {"bob": 1}, 40, (0, 1), varied=True) for _ in range(2))
        assert torch.equal(one[3].pictures, two[3].pictures)
        assert not torch.equal(one[3].pictures, one[4].pictures)
        assert 0.25 < np.mean([int(one[index].whose) for index in range(40)]) < 0.75


class TestRebuilding:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_the_same_every_time(self, kind):
        model = model_of(kind)
        assert np.array_equal(model.rebuild(talking()), model.rebuild(talking()))

    def test_takes_footage_of_any_size(self):
        assert model_of().rebuild(talking(96)).shape == (16, 96, 96, 3)

    def test_long_footage_is_the_pieces_one_after_another(self):
        model, footage = model_of(), talking(64, 40)
        whole = model.rebuild(footage)
        assert whole.shape[0] == 40
        assert np.allclose(whole[20:23], model.rebuild(footage[20:23]), atol=0.1)

    def test_uses_the_decoder_of_the_speaker_or_the_shared_one_and_no_other(self, tmp_path):
        model = model_of(identities=["ann", "bob"])
        path = tmp_path / "model.safetensors"
        save_checkpoint(model, path, {"name": "faces"})
        rng = np.random.default_rng(0)
        shared, ann, bob, stranger = (
            load_face_reconstruction(f"autoencoder:{path}{speaker}")(talking(), rng)
            for speaker in ("", "@ann", "@bob", "@stranger")
        )
        assert np.array_equal(shared, stranger)
        assert not np.allclose(ann, shared, atol=1)
        assert not np.allclose(ann, bob, atol=1)
        assert np.array_equal(ann, model.rebuild(talking(), "ann"))

    def test_a_file_that_was_trained_again_is_loaded_again(self, tmp_path):
        path = tmp_path / "model.safetensors"
        save_checkpoint(model_of(), path, {})
        first = load_face_reconstruction(f"autoencoder:{path}")(talking(), np.random.default_rng(0))
        changed = model_of()
        torch.nn.init.constant_(changed.decoders[0].layers[-2].bias, 0.5)
        save_checkpoint(changed, path, {})
        again = load_face_reconstruction(f"autoencoder:{path}")(talking(), np.random.default_rng(0))
        assert not np.array_equal(first, again)

    def test_a_model_of_something_else_is_refused(self):
        with pytest.raises(UsageError, match="rebuilds no faces"):
            load_face_reconstruction(f"autoencoder:{EMBEDDED}")

    def test_a_file_that_is_missing_is_named(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            load_face_reconstruction(f"autoencoder:{tmp_path / 'none.safetensors'}")

    def test_it_is_known_by_its_weights(self, tmp_path):
        path = tmp_path / "model.safetensors"
        save_checkpoint(model_of(), path, {})
        assert identity(f"autoencoder:{path}") == f"autoencoder:{load_checkpoint(path).sha256}"
        with pytest.raises(UsageError, match="cannot be read"):
            identity(f"autoencoder:{tmp_path / 'none'}")


class TestCodes:
    def test_a_quantised_code_is_a_sum_of_entries(self):
        torch.manual_seed(0)
        code = QuantisedCode(4, 1, 3).eval()
        found = code(torch.randn(2, 4, 8, 8))[0]
        assert len(found.permute(0, 2, 3, 1).reshape(-1, 4).detach().round(decimals=4).unique(dim=0)) <= 3

    def test_a_drawn_code_is_drawn_in_training_only(self):
        code, said = DrawnCode(), torch.randn(2, 8, 4, 4)
        assert not torch.equal(code.train()(said)[0], code(said)[0])
        assert torch.equal(code.eval()(said)[0], said[:, :4])

    def test_the_standard_distribution_has_no_divergence(self):
        assert DrawnCode()(torch.zeros(2, 8, 4, 4))[1] == 0
        assert DrawnCode()(torch.ones(2, 8, 4, 4))[1] > 1


class TestLosses:
    PICTURES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("distance", [gradient_distance, structure_distance])
    def test_the_same_picture_has_no_distance(self, distance):
        assert distance(self.PICTURES, self.PICTURES) == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("distance", [gradient_distance, structure_distance])
    def test_a_blurred_picture_has_more_than_a_brighter_one(self, distance):
        """Distances of pixels say the opposite here: that is why these are there."""
        blurred = torch.nn.functional.avg_pool2d(self.PICTURES, 3, 1, 1, count_include_pad=False)
        brighter = self.PICTURES + (blurred - self.PICTURES).abs().mean()
        assert distance(blurred, self.PICTURES) > 2 * distance(brighter, self.PICTURES)
