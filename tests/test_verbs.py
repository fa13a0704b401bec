"""Every verb once, from the command line to the files it writes, with the embedded model and real clips."""

import csv
import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import avsync.calibrate
from avsync.cli import command_line
from avsync.demo import make_clips
from avsync.demo.voice import speak
from avsync.evaluate.protocols.clips_summary import SCHEMA

CONFIG = Path(__file__).parents[1] / "configs" / "default.yaml"


def run(*words):
    return CliRunner().invoke(command_line, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("demo"), seconds=4.0)


@pytest.fixture(scope="module")
def speakers(clips, tmp_path_factory):
    """A VoxCeleb2 tree: one clip by each of four speakers, of whom all but id00004 may calibrate."""
    root = tmp_path_factory.mktemp("voxceleb")
    for speaker, seed in (("id00003", 1), ("id00004", 2), ("id00001", 3), ("id00002", 4)):
        folder = root / "dev" / "mp4" / speaker / "video"
        folder.mkdir(parents=True)
        in_sync, _ = make_clips(folder.parent / "made", seconds=3.0, seed=seed)
        shutil.move(in_sync, folder / "00001.mp4")
        shutil.rmtree(folder.parent / "made")
    return root


def test_demo_shows_that_the_lips_of_the_dubbed_clip_do_not_match(clips, monkeypatch):
    """On shorter clips than those that test_readme.py makes."""
    monkeypatch.setattr("avsync.demo.make_clips", lambda folder: [Path(shutil.copy(clip, folder)) for clip in clips])
    result = run("demo")
    assert result.exit_code == 0
    assert "in_sync.mp4: consistent" in result.stdout
    assert "dubbed.mp4: suspicious — face 0 (0.2–3.9 s): lip movements do not match the speech" in result.stdout


def test_score_writes_what_it_prints(clips, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    result = run("score", *clips, tmp_path / "text.mp4", "--json", "--output", tmp_path / "report.csv")
    assert result.exit_code == 1
    in_sync, dubbed, text = json.loads(result.stdout)["verdicts"]
    agreement = [v["checks"]["lips"]["readings"]["agreement"]["value"] for v in (in_sync, dubbed)]
    assert agreement[0] > agreement[1]
    assert (text["verdict"], text["reason"]) == ("cannot_judge", "unreadable")
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["in_sync.mp4", "dubbed.mp4", "text.mp4"]
    assert float(rows[0]["check_lips_p_value"]) == in_sync["checks"]["lips"]["p_value"]


def test_score_asks_only_the_checks_that_are_named(clips):
    (verdict,) = json.loads(run("score", clips[0], "--checks", "face", "--json").stdout)["verdicts"]
    assert list(verdict["checks"]) == ["face"]
    assert verdict["p_value"] == verdict["checks"]["face"]["p_value"]


def test_score_of_a_sound_file_says_which_checks_could_not_be_asked(tmp_path):
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.clip(speak(3.0, 0).waveform, -1, 1) * 32767).astype("<i2").tobytes())
    result = run("score", tmp_path / "voice.wav", "--checks", "lips,face")
    assert result.exit_code == 1
    assert "cannot judge — no_video: the file has no moving picture (no answer: lips, face)" in result.stdout


def test_extract_then_score_with_the_features(clips, tmp_path):
    place = tmp_path / "tree" / "dev" / "mp4" / "id00001" / "video" / "00001.mp4"
    place.parent.mkdir(parents=True)
    shutil.copy(clips[0], place)
    words = ("--backbone", "temporal")
    result = run("extract", tmp_path / "tree", *words, "--output", tmp_path / "features", "--workers", "1")
    assert "features of 1 of 1 clips" in result.stdout
    result = run("score", clips[0], *words, "--features", tmp_path / "features")
    assert result.exit_code == 0
    assert "in_sync.mp4: measured — face 0 (0.2–3.9 s): speechforensics" in result.stdout


def test_train_then_calibrate_then_score(clips, speakers, tmp_path, monkeypatch):
    overrides = [
        f"data.root={speakers}",
        f"data.cache={tmp_path / 'cache'}",
        "data.validation=[id00001,id00002]",
        "data.num_workers=1",
        "model.width=8",
        "trainer.epochs=1",
        "trainer.loggers=[csv]",
        f"trainer.output_dir={tmp_path / 'run'}",
    ]
    assert run("train", CONFIG, *overrides).exit_code == 0
    trained, calibrated = tmp_path / "run" / "model.safetensors", tmp_path / "calibrated.safetensors"
    # Twenty people would take a minute here; the tests of calibrate show that fewer are refused.
    monkeypatch.setattr(avsync.calibrate, "FEWEST_PEOPLE", 2)
    assert run("calibrate", speakers, "--weights", trained, "--output", calibrated).exit_code == 0
    notes = json.loads(calibrated.with_suffix(".json").read_text())
    assert notes["provenance"]["data"]["trained_on"] == ["id00003", "id00004"]
    for check in notes["calibration"]["checks"].values():
        assert set(check["people"]) == {2}  # id00003 may calibrate, but was trained on
    result = run("score", clips[0], "--weights", calibrated, "--checks", "lips,face", "--json")
    assert json.loads(result.stdout)["verdicts"][0]["weights_sha256"] == notes["weights_sha256"]


def test_evaluate_judges_every_clip_and_counts_the_refused(clips, tmp_path):
    tree = tmp_path / "FakeAVCeleb_v1.2"  # of people whom calibration leaves out, by the hashes of their ids
    rows = ["source,target1,target2,method,category,type,race,gender,path,"]
    for kind, category, identity, clip in (
        ("RealVideo-RealAudio", "A", "id9", clips[0]),
        ("RealVideo-RealAudio", "A", "id10", None),
        ("RealVideo-FakeAudio", "B", "id9", clips[1]),
    ):
        folder = tree / kind / "African" / "men" / identity
        folder.mkdir(parents=True)
        if clip:
            shutil.copy(clip, folder / "1.mp4")
        method = "real" if category == "A" else "dubbing"
        place = f"FakeAVCeleb/{kind}/African/men/{identity}"
        rows.append(f"{identity},-,-,{method},{category},{kind},African,men,1.mp4,{place}")
    (tree / "meta_data.csv").write_text("\n".join(rows) + "\n")
    result = run("evaluate", tree, "--output", tmp_path / "results")
    assert result.exit_code == 0
    with (tmp_path / "results" / "clips.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["reason"] for row in table] == ["", "unreadable", ""]
    summary = json.loads((tmp_path / "results" / "summary.json").read_text())
    assert summary["schema"] == SCHEMA
    assert "Without a look at faces or voices: no fact of the files alone separates fakes; too few" in result.stdout
