"""Fine-tuning on a stress set: which pairs it takes, and that it takes no other fakes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from footage import data_of, talking

from avsync.appearance import AppearanceConfig, AppearanceModel
from avsync.appearance.config import AppearanceOptions, AppearanceTrainer, StressConfig
from avsync.appearance.data import Draws
from avsync.appearance.stress import StressPairs
from avsync.checkpoint import load_checkpoint, save_checkpoint
from avsync.errors import UsageError
from avsync.reconstruct.face import FaceFootage
from avsync.reconstruct.stored_footage import FootageConfig, StoredFootage, write_footage
from avsync.stress import read_stress_set
from avsync.train import train
from avsync.train.config import FinetuneTraining, load_config
from avsync.train.stress import find_stress_pairs

CONFIG = Path(__file__).parents[1] / "configs" / "face_finetune.yaml"
NARROW = [4, 6, 8, 8]
PEOPLE, KINDS = ["ann", "bob", "cid"], ["flicker", "self_blended"]


@pytest.fixture
def made():
    """What `stress.json` says, as far as a training asks."""
    real = [SimpleNamespace(file=f"{person}.mp4") for person in PEOPLE]
    kept = [SimpleNamespace(file=f"{person}-{kind}.mp4") for person in PEOPLE for kind in KINDS]
    return SimpleNamespace(complete=True, real=real, kept=kept)


@pytest.fixture
def stress(made, tmp_path, monkeypatch):
    """The folder of a set of three people and two kinds; nothing is decoded."""
    folder = tmp_path / "stress"
    folder.mkdir()
    rows = ["path,label,type,method,identity,kind,pair"]
    for person in PEOPLE:
        rows.append(f"{person}.mp4,real,RealVideo-RealAudio,,{person},,{person}")
        rows += [f"{person}-{kind}.mp4,fake,FakeVideo-RealAudio,{kind},{person},time,{person}" for kind in KINDS]
    (folder / "meta.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr("avsync.train.stress.read_stress_set", lambda _root: made)
    monkeypatch.setattr("avsync.train.stress.decode_footage", lambda records, *_: [kept(tmp_path, r) for r in records])
    return folder


def kept(folder, record):
    """Footage of a clip; that of a reconstruction is darker."""
    path, footage = folder / "cache" / f"{record.name}.safetensors", talking(192)
    darker = footage.pictures if record.label == "real" else footage.pictures // 2
    write_footage(path, FaceFootage(darker, footage.points, footage.squares, 0.0))
    return StoredFootage(path, record.name, record.name, record.speaker, len(footage))


def found(stress, left_out=(), held_out="cid"):
    return find_stress_pairs(data_of(stress, stress, held_out), FootageConfig(), left_out, 0)


class TestPairs:
    def test_are_split_by_people(self, stress):
        split = found(stress)
        assert {(pair.speaker, pair.kind) for pair in split.training} == {(p, k) for p in ("ann", "bob") for k in KINDS}
        assert {(pair.speaker, pair.kind) for pair in split.validation} == {("cid", kind) for kind in KINDS}
        assert all(pair.rebuilt.name.startswith(pair.real.speaker) for pair in split.training)

    def test_kinds_that_are_left_out_validate_only(self, stress):
        split = found(stress, ["flicker"])
        assert {pair.kind for pair in split.training} == {"self_blended"}
        assert {pair.kind for pair in split.validation} == set(KINDS)

    def test_a_kind_that_is_not_in_the_set_is_named(self, stress):
        with pytest.raises(UsageError, match="wax is not in"):
            found(stress, ["wax"])

    def test_take_turns_and_are_the_same_whenever_they_are_asked_for(self, stress):
        pairs = found(stress).training
        one, two = (StressPairs(pairs, Draws(KINDS, 8, 2, 64, (0, 1))) for _ in range(2))
        assert torch.equal(one[5].rebuilt, two[5].rebuilt)
        assert [sorted(int(one[4 * turn + n].kind) for n in range(4)) for turn in range(2)] == [[0, 0, 1, 1]] * 2

    def test_show_the_same_moment_through_one_camera(self, stress, monkeypatch):
        monkeypatch.setattr("avsync.appearance.data.Camera", lambda _rng: lambda pictures: pictures)
        pair = StressPairs(found(stress).training, Draws(KINDS, 8, 2, 64, (0, 1)))[0]
        assert (pair.real.int() // 2 - pair.rebuilt.int()).abs().max() <= 1


class TestRefusals:
    def test_a_folder_that_avsync_stress_did_not_make(self, stress, monkeypatch):
        monkeypatch.setattr("avsync.train.stress.read_stress_set", read_stress_set)
        with pytest.raises(UsageError, match="and no other fakes"):
            found(stress)

    def test_a_set_that_is_not_finished(self, stress, made):
        made.complete = False
        with pytest.raises(UsageError, match="of a finished set"):
            found(stress)

    def test_a_clip_that_was_put_among_them(self, stress):
        with (stress / "meta.csv").open("a") as file:
            file.write("swapped.mp4,fake,FakeVideo-RealAudio,faceswap,ann,,ann\n")
        with pytest.raises(UsageError, match="does not know this clip"):
            found(stress)


def test_a_model_goes_on_from_its_weights_and_says_whose_faces_it_saw(stress, tmp_path):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    start = tmp_path / "start.safetensors"
    save_checkpoint(AppearanceModel(AppearanceConfig("small", NARROW, 64)), start, {})
    config = FinetuneTraining(
        data=data_of(stress, stress, "cid"),
        stress=StressConfig(left_out=["flicker"], pairs=8, validation_pairs=4),
        model=AppearanceOptions("small", NARROW, 64, start=str(start)),
        trainer=AppearanceTrainer(epochs=1, batch_size=2, frames=1, loggers=["csv"], output_dir=str(tmp_path / "out")),
    )
    checkpoint = load_checkpoint(train(config))
    said = checkpoint.notes["provenance"]
    assert said["data"]["trained_on"] == ["ann", "bob"]
    assert set(said["metrics"]) == {"auc_flicker", "auc_self_blended", "auc_seen", "auc_left_out"}
    assert load_checkpoint(start).sha256 in said["config"]["features"]
    before = load_checkpoint(start).model.judge.weight
    assert not torch.equal(before, checkpoint.model.judge.weight)
    assert torch.allclose(before, checkpoint.model.judge.weight, atol=1e-3)  # few steps of a small learning rate


def test_the_config_that_is_shipped_is_valid():
    assert load_config(CONFIG, ["data.root=x", "model.start=y"]).recipe == "face_finetune"
