"""What avsync.calibrate promises: quantiles, and no more, of real clips of people the model has not seen."""

import json

import numpy as np
import pytest
import torch

import avsync.calibrate as module
from avsync.align import TemporalConfig, TemporalAligner, load_checkpoint, save_checkpoint
from avsync.calibrate import calibrate, real_records
from avsync.errors import UsageError
from avsync.methods import load_method
from avsync.methods.default import LENGTHS
from avsync.score.evidence import Evidence
from avsync.score.readings import ASPECTS, READINGS, TAU
from avsync.score.reference import Reference

HEADER = "source,target1,target2,method,category,type,race,gender,path,"


@pytest.fixture
def weights(tmp_path):
    """A model that was trained on ann."""
    torch.manual_seed(0)
    provenance = {"data": {"name": "made up", "trained_on": ["ann"]}}
    save_checkpoint(
        TemporalAligner(TemporalConfig(width=8, components=4)),
        tmp_path / "model.safetensors",
        {"name": "test", "provenance": provenance},
    )
    return tmp_path / "model.safetensors"


@pytest.fixture
def tree(tmp_path):
    """A VoxCeleb2 tree of so many people with two clips each."""

    def make(*people):
        for person in people:
            for clip in ("1.mp4", "2.mp4"):
                path = tmp_path / "vox" / "dev" / "mp4" / person / "video" / clip
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return tmp_path / "vox"

    return make


@pytest.fixture
def measured(monkeypatch):
    """Clips are measured without being looked at: who was, and for which lengths, is told."""
    seen = []

    def evidence(record, _model):
        seen.append(record)
        rng = np.random.default_rng(len(seen))
        longest = 2.0 if record.speaker.startswith("short") else 3.0
        for length in (length for length in LENGTHS if length <= longest):
            readings = {
                name: float(value) for name, value in zip(READINGS, rng.normal(size=len(READINGS)), strict=True)
            }
            yield length, Evidence(0.0, length, length, np.zeros(4), np.zeros(2 * TAU + 1, np.float32), readings)

    monkeypatch.setattr(module, "_measured", evidence)
    return seen


PEOPLE = [f"p{i:02}" for i in range(20)]


def test_the_reference_is_written_beside_the_same_weights(weights, tree, measured, tmp_path):
    output, steps = tmp_path / "out" / "calibrated.safetensors", []
    reference = calibrate([tree(*PEOPLE)], load_method(weights), output, lambda *step: steps.append(step))
    before, after = load_checkpoint(weights), load_checkpoint(output)
    assert len(measured) == 40
    np.testing.assert_array_equal(reference.seconds, LENGTHS)
    np.testing.assert_array_equal(reference.people, [20] * len(LENGTHS))
    assert after.sha256 == before.sha256
    assert after.notes["provenance"] == before.notes["provenance"]
    again = Reference.from_dict(after.notes["calibration"])
    np.testing.assert_allclose(again.readings["agreement"], reference.readings["agreement"], atol=1e-5)
    assert steps == [(done, 40) for done in range(1, 41)]


def test_only_quantiles_are_kept(weights, tree, measured, tmp_path):
    calibrate([tree(*PEOPLE)], load_method(weights), tmp_path / "out.safetensors")
    text = (tmp_path / "out.json").read_text()
    assert not any(person in text for person in PEOPLE)
    calibration = json.loads(text)["calibration"]
    assert set(calibration) == {"seconds", "people", "readings", "oddness", "surprise"}
    assert (set(calibration["readings"]), set(calibration["oddness"])) == (set(READINGS), set(ASPECTS))
    for table in (*calibration["readings"].values(), *calibration["oddness"].values()):
        assert np.shape(table) == (len(LENGTHS), 101)


def test_who_trained_the_model_does_not_calibrate_it(weights, tree, measured, tmp_path):
    calibrate([tree("ann", *PEOPLE)], load_method(weights), tmp_path / "out.safetensors")
    assert {record.speaker for record in measured} == set(PEOPLE)


def test_a_checkpoint_that_is_calibrated_can_be_calibrated_anew(weights, tree, measured, tmp_path):
    calibrate([tree(*PEOPLE)], load_method(weights), weights)
    assert calibrate([tree(*PEOPLE, "one more")], load_method(weights), weights).people[0] == 21
    assert load_checkpoint(weights).notes["calibration"]["people"][0] == 21


@pytest.mark.parametrize("people", [PEOPLE[:19], ["ann", *PEOPLE[:19]]], ids=["19", "19 and one trained on"])
def test_too_few_people_are_refused_and_nothing_is_written(weights, tree, measured, tmp_path, people):
    with pytest.raises(UsageError, match=r"^real clips of 19 people; at least 20 are needed$"):
        calibrate([tree(*people)], load_method(weights), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    assert not (tmp_path / "out.json").exists()


def test_lengths_that_few_people_speak_for_are_left_out(weights, tree, measured, tmp_path):
    people = [*(f"short{i}" for i in range(19)), "long"]
    reference = calibrate([tree(*people)], load_method(weights), tmp_path / "out.safetensors")
    np.testing.assert_array_equal(reference.seconds, [1.5, 2.0])


def test_clips_that_cannot_be_measured_are_left_out(weights, tree, tmp_path):
    """The clips of this tree are empty files."""
    with pytest.raises(UsageError, match="real clips of 0 people"):
        calibrate([tree(*PEOPLE[:2])], load_method(weights), tmp_path / "out.safetensors")


def test_several_trees_count_together(weights, tree, measured, tmp_path):
    fake_av = make_fakeavceleb(tmp_path, [f"id{digit}x{i}" for digit in "01234567" for i in range(2)])
    assert calibrate([tree(*PEOPLE[:4]), fake_av], load_method(weights), tmp_path / "out.safetensors").people[0] == 20


def make_fakeavceleb(folder, identities):
    """A tree with a real and a fake clip of each identity."""
    rows = [HEADER]
    for name in identities:
        for method, category, kind in [
            ("real", "A", "RealVideo-RealAudio"),
            ("wav2lip", "C", "FakeVideo-RealAudio"),
            ("rtvc", "B", "RealVideo-FakeAudio"),
        ]:
            rows.append(f"{name},-,-,{method},{category},{kind},-,-,1.mp4,FakeAVCeleb/{kind}/-/-/{name}")
            (folder / "fav" / kind).mkdir(parents=True, exist_ok=True)
    (folder / "fav" / "meta_data.csv").write_text("\n".join(rows) + "\n")
    return folder / "fav"


def test_of_fakeavceleb_only_real_clips_of_half_the_people_calibrate(tmp_path):
    tree = make_fakeavceleb(tmp_path, [f"id{digit}abc" for digit in "0123456789abcdef"])
    records = real_records(tree)
    assert [record.identity for record in records] == [f"id{digit}abc" for digit in "01234567"]
    assert {(record.label, record.type) for record in records} == {("real", "RealVideo-RealAudio")}


def test_of_voxceleb_everybody_calibrates(tree):
    root = tree("ann", "id9zoe")
    assert [record.speaker for record in real_records(root)] == ["ann", "ann", "id9zoe", "id9zoe"]
    assert real_records(root / "dev") == real_records(root)


def test_another_folder_is_a_usage_error(tmp_path, weights):
    with pytest.raises(UsageError, match="no FakeAVCeleb tree"):
        calibrate([tmp_path], load_method(weights), tmp_path / "out.safetensors")


def test_a_missing_checkpoint_is_a_usage_error(tmp_path, tree):
    with pytest.raises(UsageError, match="cannot be read"):
        calibrate([tree("ann")], load_method(tmp_path / "none.safetensors"), tmp_path / "out.safetensors")
