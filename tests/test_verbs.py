"""Every verb once, from the command line to the files it leaves, with the embedded model and real clips."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import avsync.calibrate
from avsync.cli import app
from avsync.demo import make_clips

CONFIG = Path(__file__).parents[1] / "configs" / "default.yaml"


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("demo"), seconds=4.0)


@pytest.fixture(scope="module")
def speakers(clips, tmp_path_factory):
    """A VoxCeleb2 tree: one clip by each of four speakers."""
    root = tmp_path_factory.mktemp("voxceleb")
    for speaker, seed in (("id00001", 1), ("id00002", 2), ("id00003", 3), ("id00004", 4)):
        folder = root / "dev" / "mp4" / speaker / "video"
        folder.mkdir(parents=True)
        in_sync, _ = make_clips(folder.parent / "made", seconds=3.0, seed=seed)
        shutil.move(in_sync, folder / "00001.mp4")
        shutil.rmtree(folder.parent / "made")
    return root


def test_demo_shows_that_the_dubbed_lips_fit_less():
    result = run("demo")
    assert result.exit_code == 0
    assert "in_sync.mp4" in result.stdout
    assert "dubbed.mp4" in result.stdout


def test_score_writes_what_it_prints(clips, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    result = run("score", *clips, tmp_path / "text.mp4", "--json", "--output", tmp_path / "report.csv")
    assert result.exit_code == 1
    in_sync, dubbed, text = json.loads(result.stdout)["verdicts"]
    assert (
        in_sync["tracks"][0]["readings"]["agreement"]["value"] > dubbed["tracks"][0]["readings"]["agreement"]["value"]
    )
    assert (text["verdict"], text["reason"]) == ("cannot_judge", "unreadable")
    with (tmp_path / "report.csv").open(newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == ["in_sync.mp4", "dubbed.mp4", "text.mp4"]


def test_train_then_calibrate_then_score(clips, speakers, tmp_path, monkeypatch):
    overrides = [
        f"data.root={speakers}",
        f"data.cache={tmp_path / 'cache'}",
        "data.validation=[id00003,id00004]",
        "data.workers=1",
        "model.width=8",
        "trainer.epochs=1",
        "trainer.loggers=[csv]",
        f"trainer.out={tmp_path / 'run'}",
    ]
    assert run("train", CONFIG, *overrides).exit_code == 0
    trained, calibrated = tmp_path / "run" / "model.safetensors", tmp_path / "calibrated.safetensors"
    # Twenty people would take a minute here; that fewer are refused is tested with calibrate itself.
    monkeypatch.setattr(avsync.calibrate, "_FEWEST", 2)
    assert run("calibrate", speakers, "--weights", trained, "--output", calibrated).exit_code == 0
    notes = json.loads(calibrated.with_suffix(".json").read_text())
    assert notes["provenance"]["data"]["trained_on"] == ["id00001", "id00002"]
    assert set(notes["calibration"]["people"]) == {2}  # only the speakers that were not trained on
    result = run("score", clips[0], "--weights", calibrated, "--json")
    assert json.loads(result.stdout)["verdicts"][0]["weights_sha256"] == notes["weights_sha256"]


def test_evaluate_judges_every_clip_and_counts_the_refused(clips, tmp_path):
    tree = tmp_path / "FakeAVCeleb_v1.2"
    rows = ["source,target1,target2,method,category,type,race,gender,path,"]
    for kind, category, identity, clip in (
        ("RealVideo-RealAudio", "A", "id8", clips[0]),
        ("RealVideo-RealAudio", "A", "id9", None),
        ("RealVideo-FakeAudio", "B", "id8", clips[1]),
    ):
        folder = tree / kind / "African" / "men" / identity
        folder.mkdir(parents=True)
        if clip:
            shutil.copy(clip, folder / "1.mp4")
        method = "real" if category == "A" else "dubbing"
        place = f"FakeAVCeleb/{kind}/African/men/{identity}"
        rows.append(f"{identity},-,-,{method},{category},{kind},African,men,1.mp4,{place}")
    (tree / "meta_data.csv").write_text("\n".join(rows) + "\n")
    result = run("evaluate", "fakeavceleb", tree, "--output", tmp_path / "results")
    assert result.exit_code == 0
    with (tmp_path / "results" / "clips.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["reason"] for row in table] == ["", "unreadable", ""]
    summary = json.loads((tmp_path / "results" / "summary.json").read_text())
    assert summary["schema"] == "avsync.evaluation/1"
