"""The appearance check: asked with a model that the user trained, calibrated as the other checks are."""

import numpy as np
import pytest
import torch
from talking import face, people, voice, voxceleb, write

from avsync import Detector
from avsync.appearance import AppearanceConfig, AppearanceModel
from avsync.calibrate import calibrate
from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.checks.load import load_setup
from avsync.datasets.splits import calibration_records
from avsync.errors import UsageError
from avsync.media import FPS
from avsync.reconstruct.autoencoder import AutoencoderConfig, AutoencoderModel
from avsync.recording import open_recording
from avsync.report import to_csv, to_json

CHECKS = "lips,face,appearance"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def clip(folder):
    """Three seconds of a talking face."""
    return write(folder / "talking.mkv", face(), voice(), codec="pcm_s16le")


@pytest.fixture(scope="module")
def weights(folder):
    """A model with random weights, as a training would leave it."""
    torch.manual_seed(0)
    path = folder / "appearance.safetensors"
    save_checkpoint(AppearanceModel(AppearanceConfig("small", [4, 6, 8, 8], 64)), path, {"name": "mine"})
    return path


@pytest.fixture(scope="module")
def verdict(clip, weights):
    return Detector(weights, checks=CHECKS).score(clip, keep={"appearance"})


def test_is_not_asked_unless_it_is_named():
    assert "appearance" not in [check.name for check in load_setup().checks]


def test_without_a_model_says_how_to_get_one():
    with pytest.raises(UsageError, match="avsync has no model of it; train one and name it with --weights FILE"):
        load_setup(checks=CHECKS)


@pytest.mark.parametrize("other", ["lips", "faces"])
def test_a_model_of_something_else_is_refused(other, tmp_path):
    path = EMBEDDED
    if other == "faces":
        path = tmp_path / "faces.safetensors"
        save_checkpoint(AutoencoderModel(AutoencoderConfig(width=4, levels=2, latent=2)), path, {})
    with pytest.raises(UsageError):
        load_setup(path, checks="appearance")


def test_a_model_that_no_check_asks_is_refused(weights):
    with pytest.raises(UsageError, match="a model of the check 'appearance', which --checks lips,face does not ask"):
        load_setup(weights, checks="lips,face")


def test_scores_the_grey_patches_that_the_other_checks_see(verdict, clip, weights):
    model = load_checkpoint(weights).model
    (faces,) = open_recording(clip).face_clips()
    (window,) = verdict.checks["appearance"].windows
    assert window.start == pytest.approx(faces.start)
    seen = model.read(faces.patches[: round((window.end - window.start) * FPS)])
    assert window.anomaly_score == pytest.approx(seen.score, abs=1e-4)  # without calibration it is the reading


def test_keeps_a_map_of_where_the_face_looks_rebuilt(verdict):
    of_face = verdict.artefacts[verdict.decisive_track]
    found, times = of_face["appearance_map"], of_face["appearance_times"]
    assert found.shape == (8, 4, 4)
    assert len(times) == 8
    assert np.all(np.diff(times) > 0)


def test_without_calibration_it_measures(verdict):
    assert verdict.verdict == "measured"
    assert verdict.checks["appearance"].p_value is None


def test_calibrated_it_has_a_p_value_and_is_fused_with_the_others(clip, weights, tmp_path_factory):
    tree = voxceleb(tmp_path_factory.mktemp("people"), people("calibrate", 4))
    output = tmp_path_factory.mktemp("calibrated") / "mine.safetensors"
    setup = load_setup(weights, checks=CHECKS, calibrating=True)
    calibration = calibrate(calibration_records(tree), setup, output, fewest_people=4)
    assert set(calibration.references) == {"lips", "face", "appearance"}
    assert ("appearance", "face", "lips") in calibration.joint
    said = Detector(output, checks=CHECKS).score(clip)
    assert said.verdict in ("consistent", "suspicious")
    assert 0 < said.checks["appearance"].p_value <= 1
    assert "appearance_anomaly" in str(to_json([said]))
    assert "appearance" in to_csv([said])
