"""Published backbones on the command line: convert, score without training, train, calibrate."""

import json
from pathlib import Path

import pytest
import torch
from talking import people, voxceleb
from tiny import OPTIONS, avhubert_tensors, save_hubert
from typer.testing import CliRunner

import avsync.calibrate
from avsync.cli import command_line
from avsync.encoders.registry import Backbone

CONFIGS = Path(__file__).parents[1] / "configs"


def run(*words):
    return CliRunner().invoke(command_line, [str(word) for word in words], catch_exceptions=False)


PEOPLE = people("calibrate", 4)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A VoxCeleb2 tree: a clip each of four people who calibrate."""
    return voxceleb(tmp_path_factory.mktemp("real"), PEOPLE)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """What a user fetches: an AV-HuBERT as its authors saved it, and a HuBERT as the hub has it."""
    folder = tmp_path_factory.mktemp("published")
    torch.save({"cfg": {"model": OPTIONS}, "model": avhubert_tensors()}, folder / "tiny.pt")
    save_hubert(folder / "hubert")
    return folder


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """An empty folder of weights, for this test alone; four people are enough to calibrate."""
    monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(avsync.calibrate, "FEWEST_PEOPLE", 4)
    return tmp_path / "weights"


def first_clip(tree):
    return tree / "dev" / "mp4" / PEOPLE[0] / "video" / "00001.mp4"


def score(*words):
    result = run("score", *words, "--json")
    return json.loads(result.stdout)["verdicts"][0], result.exit_code


def readings(verdict):
    """The readings of all checks, by name."""
    return {name: value for check in verdict["checks"].values() for name, value in check["readings"].items()}


@pytest.mark.parametrize("reading", ["speechforensics", "factor"])
def test_avhubert_needs_no_training(tree, published, reading):
    assert run("weights", "convert", published / "tiny.pt").exit_code == 0
    verdict, status = score(first_clip(tree), "--backbone", "avhubert", "--reading", reading)
    assert (verdict["verdict"], status) == ("measured", 0)
    assert -1 <= readings(verdict)[reading]["value"] <= 1


def test_any_lips_go_with_any_speech_of_the_same_width(tree, published):
    run("weights", "convert", published / "tiny.pt")
    verdict, _ = score(first_clip(tree), "--backbone", f"avhubert@1+ssl:{published / 'hubert'}@1")
    assert verdict["verdict"] == "measured"
    assert run_error("score", first_clip(tree), "--backbone", f"temporal+ssl:{published / 'hubert'}") == (
        f"temporal+ssl:{published / 'hubert'}: 96 features of lips and 32 of speech do not go with cosine; "
        "train a head on them (configs/avhubert_mlp.yaml)"
    )


def run_error(*words):
    result = CliRunner().invoke(command_line, [str(word) for word in words])
    assert "\n" not in str(result.exception)
    return str(result.exception)


def trained(config, tree, folder, *overrides):
    """The model of a config, after two epochs."""
    common = (
        f"data.root={tree}",
        f"data.cache={folder / 'cache'}",
        f"data.validation=[{PEOPLE[2]},{PEOPLE[3]}]",
        "data.num_workers=1",
        "trainer.epochs=2",
        "trainer.loggers=[csv]",
        f"trainer.output_dir={folder / 'run'}",
    )
    assert run("train", CONFIGS / config, *common, *overrides).exit_code == 0
    return folder / "run" / "model.safetensors"


def test_avhubert_mlp_trains_calibrates_and_scores(tree, published, tmp_path, monkeypatch):
    run("weights", "convert", published / "tiny.pt")
    features = tmp_path / "cache"
    assert "features of 4 of 4 clips" in run("extract", tree, "--backbone", "avhubert", "--output", features).stdout
    with monkeypatch.context() as patch:
        patch.setattr(Backbone, "encode", lambda *_: pytest.fail("encoded again"))
        model = trained("avhubert_mlp.yaml", tree, tmp_path, "trainer.frames=32")
        calibrated = tmp_path / "calibrated.safetensors"
        notes = json.loads(model.with_suffix(".json").read_text())
        assert notes["provenance"]["data"]["trained_on"] == PEOPLE[:2]
        assert set(notes["provenance"]["metrics"]) == {"val_loss", "val_accuracy"}
        del notes["provenance"]["data"]["trained_on"]  # so that four people are left to calibrate
        model.with_suffix(".json").write_text(json.dumps(notes))
        words = ("--weights", model, "--features", features, "--output", calibrated)
        assert run("calibrate", tree, *words).exit_code == 0
    verdict, _ = score(first_clip(tree), "--weights", calibrated)
    assert set(readings(verdict)) == {"log_mean_exp"}
    assert verdict["p_value"] is not None


def test_hubert_resnet_trains_and_scores(tree, published, tmp_path):
    speech = f"speech=ssl:{published / 'hubert'}@1"
    small = (
        "model.width=16",
        "model.features=16",
        "trainer.batch_size=2",
        "trainer.per_speaker=1",
        "trainer.segment=8",
    )
    model = trained("hubert_resnet.yaml", tree, tmp_path, speech, *small)
    verdict, _ = score(first_clip(tree), "--weights", model)
    assert set(readings(verdict)) == {"agreement"}
    # Its lips alone serve as the lips of another pair.
    name = f"resnet:{model}+ssl:{published / 'hubert'}@1"
    again = trained("avhubert_mlp.yaml", tree, tmp_path / "pair", f"backbone='{name}'")
    assert score(first_clip(tree), "--weights", again)[0]["verdict"] == "measured"


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("avhubert", "avsync weights convert"),
        ("avhubert:missing", "avsync weights list"),
        ("avhubert:{published}/tiny.pt", "avsync weights convert"),
        ("avhubert:{published}/hubert/model.safetensors", "not AV-HuBERT weights"),
        ("mouth+ssl:facebook/hubert-base-ls960", "avsync weights pull"),
        ("mouth+ssl:{published}", "no speech model"),
        ("mouth+ssl:{published}/hubert@7", "has no layer 7"),
    ],
)
def test_what_is_missing_or_wrong_says_what_to_do(tree, published, backbone, said):
    """Said by calibrate, which loads the backbone in this process; score says the same of its workers."""
    assert said in run_error("calibrate", tree, "--backbone", backbone.format(published=published))
