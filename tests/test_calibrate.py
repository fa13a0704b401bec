"""What avsync.calibrate promises: quantiles, and no more, of real recordings of people the model has not seen."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from talking import face, people, voice, write
from typer.testing import CliRunner

import avsync.calibrate as module
from avsync.align import TemporalAligner, TemporalConfig
from avsync.calibrate import calibrate
from avsync.checkpoint import load_checkpoint, save_checkpoint
from avsync.checks.interface import LENGTHS
from avsync.checks.load import load_setup
from avsync.cli import command_line
from avsync.datasets import open_dataset
from avsync.errors import CannotJudge, UsageError
from avsync.media import FPS
from avsync.score.calibration import VERSION, Calibration, Conditions, with_stored
from avsync.score.readings import READINGS, readings_of

CHECKS = {
    "lips": ["agreement", "worst_moment", "head_turn", "sound_range"],
    "face": [reading.name for reading in readings_of("face")],
}
BOTH = "lips,face"
PEOPLE = [f"p{i:02}" for i in range(20)]


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
    """Makes a VoxCeleb2 tree of these people with two empty clips each."""

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
    """Windows have random readings and no file is opened; the list has the clips that were measured."""
    seen = []

    def read(record, checks, _setup, _others):
        seen.append(record)
        return list(windows(record, checks)), []

    def windows(record, checks):
        rng = np.random.default_rng(len(seen))
        longest = {"short": 1.5, "mid": 2.0}.get(record.speaker[:-1], 3.0)
        for length in (length for length in LENGTHS if length <= longest):
            real = {check.name: {r.name: float(rng.normal()) for r in check.readings} for check in checks}
            fake = {name: {r: value - 3 for r, value in of.items()} for name, of in real.items() if name == "lips"}
            yield module.Measurement(length, record.identity, real, [fake])

    monkeypatch.setattr(module, "_read", read)
    return seen


@pytest.fixture
def calibrated(weights, measured, tmp_path):
    """Calibrates the model on the people of a tree."""

    def run(root, output=tmp_path / "out.safetensors", **options):
        return calibrate(open_dataset(root), load_setup(weights, calibrating=True, checks=BOTH), output, **options)

    return run


class TestWhatIsWritten:
    def test_the_references_are_beside_the_same_weights(self, calibrated, weights, tree, measured, tmp_path):
        output, steps = tmp_path / "new" / "calibrated.safetensors", []
        calibration = calibrated(tree(*PEOPLE), output, on_progress=lambda *step: steps.append(step))
        before, after = load_checkpoint(weights), load_checkpoint(output)
        assert len(measured) == 40
        for reference in calibration.references.values():
            np.testing.assert_array_equal(reference.seconds, LENGTHS)
            np.testing.assert_array_equal(reference.people, [20] * len(LENGTHS))
        assert after.sha256 == before.sha256
        assert after.notes["provenance"] == before.notes["provenance"]
        checks = {check.name: check.readings for check in load_setup(weights, calibrating=True, checks=BOTH).checks}
        again = Calibration.from_dict(after.notes["calibration"], checks)
        for name, reference in calibration.references.items():
            np.testing.assert_allclose(again.references[name].scores, reference.scores, atol=1e-5)
        assert steps == [(done, 40) for done in range(1, 41)]

    def test_it_is_quantiles_and_counts_only(self, calibrated, tree, tmp_path):
        calibrated(tree(*PEOPLE))
        text = (tmp_path / "out.json").read_text()
        assert not any(person in text for person in PEOPLE)
        calibration = json.loads(text)["calibration"]
        assert set(calibration) == {"conditions", "checks", "joint", "models"}
        assert {name: list(check["readings"]) for name, check in calibration["checks"].items()} == CHECKS
        for check in calibration["checks"].values():
            assert set(check) == {"seconds", "people", "readings", "scored", "scores", "ratio", "scan"}
            for table in (*check["readings"].values(), check["scores"]):
                assert np.shape(table) == (len(LENGTHS), 101)

    def test_what_the_lips_say_is_learned_from_swapped_speech_and_what_the_face_says_is_not(self, calibrated, tree):
        calibration = calibrated(tree(*PEOPLE))
        slopes = calibration.references["lips"].ratio[:, 0]
        assert ((slopes > 1) & (slopes < 100)).all()
        assert calibration.references["face"].ratio is None

    def test_checks_of_the_same_clips_are_calibrated_together(self, calibrated, tree):
        calibration = calibrated(tree(*PEOPLE))
        assert set(calibration.joint) == {("face", "lips")}
        assert calibration.joint["face", "lips"].scores.shape == (len(LENGTHS), 101)

    def test_it_says_under_which_conditions_it_was_made(self, weights, measured, tree, tmp_path):
        setup = load_setup(weights, trim="paper", calibrating=True, checks=BOTH)
        calibrate(open_dataset(tree(*PEOPLE)), setup, tmp_path / "paper.safetensors")
        made = load_checkpoint(tmp_path / "paper.safetensors").notes["calibration"]["conditions"]
        assert made == {"trim": "paper", "faces": "dlib-68/2", "version": VERSION}
        assert load_setup(tmp_path / "paper.safetensors", trim="paper", checks=BOTH).calibration is not None
        with pytest.raises(UsageError, match="run avsync calibrate ROOT --trim default"):
            load_setup(tmp_path / "paper.safetensors", checks=BOTH)

    def test_of_one_check_alone_it_has_that_check(self, weights, measured, tree, tmp_path):
        setup = load_setup(weights, checks="face", calibrating=True)
        calibration = calibrate(open_dataset(tree(*PEOPLE)), setup, tmp_path / "face.safetensors")
        assert (set(calibration.references), calibration.joint) == ({"face"}, {})
        assert load_setup(tmp_path / "face.safetensors", checks="face").calibration is not None

    def test_of_one_check_again_the_other_keeps_its_calibration(self, calibrated, weights, measured, tree):
        """They are no longer fused by measurement: the windows of one of them are new."""
        calibrated(tree(*PEOPLE), weights)
        setup = load_setup(weights, checks="face", calibrating=True)
        calibrate(open_dataset(tree(*PEOPLE, "one more")), setup, weights)
        calibration = load_setup(weights, checks=BOTH).calibration
        assert {name: ref.people[0] for name, ref in calibration.references.items()} == {"lips": 20, "face": 21}
        assert calibration.joint == {}

    def test_under_other_conditions_no_old_calibration_is_kept(self, calibrated, weights, measured, tree):
        calibrated(tree(*PEOPLE), weights)
        setup = load_setup(weights, checks="face", trim="paper", calibrating=True)
        calibrate(open_dataset(tree(*PEOPLE)), setup, weights)
        assert set(load_checkpoint(weights).notes["calibration"]["checks"]) == {"face"}

    def test_a_calibrated_checkpoint_can_be_calibrated_again(self, calibrated, weights, tree):
        calibrated(tree(*PEOPLE), weights)
        assert calibrated(tree(*PEOPLE, "one more"), weights).references["lips"].people[0] == 21
        assert load_checkpoint(weights).notes["calibration"]["checks"]["lips"]["people"][0] == 21


def setting(*path, to):
    """An edit of a stored calibration: the value at a path of keys."""

    def edit(stored):
        for key in path[:-1]:
            stored = stored[key]
        stored[path[-1]] = to

    return edit


def of_table(edit):
    """An edit of the quantiles of the lips check's score, of a reading, and of the joint score."""
    places = (
        ("checks", "lips", "scores"),
        ("checks", "face", "readings", "brow_motion"),
        ("joint", "face+lips", "scores"),
    )

    def edits(place):
        def change(stored):
            for key in place:
                stored = stored[key]
            edit(stored)

        return change

    return [edits(place) for place in places]


def swapped(table):
    table[0][50], table[0][51] = table[0][51] + 1, table[0][50]


NAN, INF = float("nan"), float("inf")
BROKEN = [
    *(
        setting(*at, "people", 0, to=n)
        for n in (NAN, 0, -1, 0.5, INF, 1e300, None, "x", [])
        for at in (("checks", "lips"), ("joint", "face+lips"))
    ),
    *(
        setting(*at, "seconds", 0, to=n)
        for n in (NAN, 0, -1, INF, 1e300, None, "x", [], 99.0)
        for at in (("checks", "face"), ("joint", "face+lips"))
    ),
    *(
        setting("checks", "lips", name, to=to)
        for name in ("people", "seconds", "scores", "readings", "scored")
        for to in (None, [], {}, "x", 3, NAN)
    ),
    *(
        change
        for n in (NAN, INF, -INF, 1e38, "x", None, [])
        for change in of_table(lambda t, n=n: t[0].__setitem__(7, n))
    ),
    *(setting("checks", "lips", "ratio", 0, n, to=to) for n in (0, 1) for to in (NAN, INF, 1e38, "x", None, [])),
    *(setting("checks", "lips", "ratio", to=to) for to in ([], {}, "x", 3, [[1, 0]], [[-1, 0]] * len(LENGTHS))),
    *of_table(swapped),
    *of_table(lambda table: table.pop()),
    *of_table(lambda table: table[0].pop()),
    *of_table(lambda table: table[0].reverse()),
    *(setting("checks", "lips", to=to) for to in (None, [], {}, "x", 3)),
    *(setting("checks", to=to) for to in (None, [], "x", 3)),
    *(setting("joint", to=to) for to in (None, [], "x", 3, {"face+lips": None}, {"face+lips": {}})),
    *(setting("conditions", to=to) for to in (None, [], "x", 3, {})),
    *(setting("conditions", "version", to=to) for to in (None, "2", NAN, INF, [], VERSION + 1)),
]


class TestDamage:
    """A calibration that is not sound is never used: it would call everything consistent, or nothing."""

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls):
        rng = np.random.default_rng(0)
        checks = {name: [READINGS[reading] for reading in readings] for name, readings in CHECKS.items()}
        values = {
            length: {name: {r.name: rng.normal(size=40) for r in of} for name, of in checks.items()}
            for length in LENGTHS
        }
        fakes = {"lips": {length: {r: v - 3 for r, v in of["lips"].items()} for length, of in values.items()}}
        people = dict.fromkeys(LENGTHS, PEOPLE * 2)
        made = Calibration.fit(Conditions("default", "dlib-68/1"), values, people, checks, fakes)
        return made, checks

    def test_the_undamaged_one_is_read(self, whole):
        made, checks = whole
        assert set(Calibration.from_dict(json.loads(json.dumps(made.to_dict())), checks).references) == set(CHECKS)

    @pytest.mark.parametrize("edit", BROKEN)
    def test_each_odd_value_is_a_usage_error(self, whole, edit):
        made, checks = whole
        stored = json.loads(json.dumps(made.to_dict()))
        edit(stored)
        with pytest.raises(UsageError, match="has no calibration of this version; run avsync calibrate"):
            Calibration.from_dict(stored, checks)

    @pytest.mark.parametrize("stored", [None, [], {}, "x", 3, NAN])
    def test_something_else_is_a_usage_error_and_not_kept(self, whole, stored):
        made, checks = whole
        with pytest.raises(UsageError, match="run avsync calibrate"):
            Calibration.from_dict(stored, checks)
        assert with_stored(made, stored) == made.to_dict()

    @pytest.mark.parametrize("value", [NAN, INF, -INF, 1e38, -1e38])
    def test_a_reading_that_is_no_number_is_refused_and_never_consistent(self, whole, value):
        made, _ = whole
        lips, face = made.references["lips"], made.references["face"]
        asks = (
            lambda: lips.score({"agreement": value}, 3.0),
            lambda: face.percentile("brow_motion", value, 3.0),
            lambda: face.reading_p_value("brow_motion", value, 3.0),
            lambda: lips.p_value(value, 3.0),
            lambda: lips.log_p(value, 3.0),
            lambda: made.fuse({"lips": value, "face": 1.0}, {"lips": 3.0, "face": 3.0}),
            lambda: made.fuse({"face": value}, {"face": 3.0}),
        )
        for ask in asks:
            with pytest.raises(CannotJudge, match=r"^crashed: .* which no undamaged model gives; check the weights"):
                ask()

    @pytest.mark.parametrize("value", [NAN, INF, 1e38])
    @pytest.mark.parametrize(
        "where", [lambda window: window.real, lambda window: window.fakes[0]], ids=["real", "fake"]
    )
    def test_clips_whose_readings_are_no_numbers_do_not_calibrate(
        self, calibrated, tree, monkeypatch, caplog, value, where
    ):
        read = module._read

        def broken(record, checks, setup, others):
            windows, wholes = read(record, checks, setup, others)
            if record.speaker == "p03":
                where(windows[0])["lips"]["agreement"] = value
            return windows, wholes

        monkeypatch.setattr(module, "_read", broken)
        assert calibrated(tree(*PEOPLE, "one more")).references["lips"].people[0] == 20
        assert "p03/video/1.mp4: left out, its readings are not numbers; check the weights" in caplog.messages

    @pytest.mark.parametrize(
        "provenance", [3, None, [], {"data": 3}, {"data": {"trained_on": "ann"}}, {"data": {"trained_on": [3]}}]
    )
    def test_if_nobody_knows_whom_the_model_has_seen_it_is_not_calibrated(
        self, weights, measured, tree, tmp_path, provenance
    ):
        notes = json.loads(weights.with_suffix(".json").read_text())
        weights.with_suffix(".json").write_text(json.dumps({**notes, "provenance": provenance}))
        setup = load_setup(weights, calibrating=True, checks=BOTH)
        with pytest.raises(UsageError, match="its provenance is damaged"):
            calibrate(open_dataset(tree(*PEOPLE)), setup, tmp_path / "out.safetensors")


class TestWhoCalibrates:
    def test_nobody_whom_the_model_was_trained_on(self, calibrated, tree, measured):
        calibrated(tree("ann", *PEOPLE))
        assert {record.speaker for record in measured} == set(PEOPLE)

    @pytest.mark.parametrize("people", [PEOPLE[:19], ["ann", *PEOPLE[:19]]], ids=["19", "19 and one trained on"])
    def test_too_few_people_are_refused_and_nothing_is_written(self, calibrated, tree, tmp_path, people):
        with pytest.raises(UsageError, match=r"^real recordings of 19 people; at least 20 are needed$"):
            calibrated(tree(*people))
        assert not (tmp_path / "out.safetensors").exists()
        assert not (tmp_path / "out.json").exists()

    def test_fewer_people_are_enough_if_the_caller_says_so(self, calibrated, tree):
        assert calibrated(tree(*PEOPLE[:4]), fewest_people=4).references["lips"].people[0] == 4

    def test_lengths_that_too_few_people_have_are_left_out(self, calibrated, tree):
        short = [f"short{letter}" for letter in "abcdefghijklmnopqrs"]
        reference = calibrated(tree(*short, "long")).references["lips"]
        np.testing.assert_array_equal(reference.seconds, [1.5, 2.0, 2.5])

    def test_people_with_shorter_recordings_stand_in_where_those_are_not_much_shorter(self, calibrated, tree):
        """2 s stand in for 3 s, 1.5 s for 2.5 s but not for 3 s."""
        others = [f"mid{letter}" for letter in "abcdefghijklmnopqrs"]
        reference = calibrated(tree(*others, "long", "shorta")).references["lips"]
        assert dict(zip(reference.seconds, reference.people, strict=True)) == {1.5: 21, 2.0: 21, 2.5: 21, 3.0: 20}

    def test_clips_that_cannot_be_measured_are_left_out(self, weights, tree, tmp_path, caplog):
        """The clips of this tree are empty files."""
        setup = load_setup(weights, calibrating=True, checks=BOTH)
        with pytest.raises(UsageError, match="real recordings of 0 people"):
            calibrate(open_dataset(tree(*PEOPLE[:2])), setup, tmp_path / "out.safetensors")
        assert caplog.messages[0].startswith("p00/video/1.mp4: left out, unreadable: ")

    def test_on_the_command_line_real_clips_of_people_with_that_role(
        self, weights, tree, measured, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(module, "FEWEST_PEOPLE", 4)
        chosen, others = people("calibrate", 5), people("report", 4)
        roots = tree(*chosen[:4], *others[:3]), make_fakeavceleb(tmp_path, [chosen[4], others[3]])
        words = ["calibrate", *roots, "--weights", weights, "--output", tmp_path / "out.safetensors", "--checks", BOTH]
        result = CliRunner().invoke(command_line, list(map(str, words)), catch_exceptions=False)
        assert {record.identity for record in measured} == set(chosen)
        assert {record.label for record in measured} == {"real"}
        assert "5 of 1.5 s, 5 of 2 s" in result.stdout


def make_fakeavceleb(folder, identities):
    """A tree with a real and two fake clips of each identity."""
    rows = ["source,target1,target2,method,category,type,race,gender,path,"]
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


class TestWhatIsMeasured:
    @pytest.fixture(scope="class")
    @classmethod
    def record(cls, tmp_path_factory):
        root = tmp_path_factory.mktemp("one")
        path = root / "dev" / "mp4" / "ann" / "video" / "1.mp4"
        path.parent.mkdir(parents=True)
        write(path, face(), voice())
        return open_dataset(root)[0]

    def test_windows_of_every_length_half_overlapping_by_every_check(self, record):
        setup = load_setup(calibrating=True, checks=BOTH)
        windows, _ = module._read(record, setup.checks, setup, module._Others())
        (clip,) = setup.checks[0].clips(module.open_recording(record.path))
        for length in LENGTHS:
            frames = round(length * FPS)
            expected = len(range(0, len(clip) - frames + 1, frames // 2))
            assert sum(window.seconds == length for window in windows) == expected
        for window in windows:
            assert window.fakes == []  # there is nobody else
            assert {name: list(readings) for name, readings in window.real.items()} == CHECKS
            assert np.isfinite([value for readings in window.real.values() for value in readings.values()]).all()

    def test_of_the_lips_also_windows_with_the_speech_of_the_last_two_other_people(self, record):
        setup, others = load_setup(calibrating=True, checks=BOTH), module._Others()
        for person in ("ann", "bob", "cid", "bob"):
            windows, _ = module._read(replace(record, identity=person), setup.checks, setup, others)
        assert {len(window.fakes) for window in windows} == {2}
        for fake in windows[0].fakes:
            assert {name: list(readings) for name, readings in fake.items()} == {"lips": CHECKS["lips"]}

    def test_a_recording_without_speech_has_none(self, record, tmp_path, caplog):
        silent = replace(record, path=write(tmp_path / "silent.mp4", face()[:50], np.zeros(32_000, np.float32)))
        setup = load_setup(checks="face", calibrating=True)
        assert module._read(silent, setup.checks, setup, module._Others()) == ([], [])
        assert caplog.messages == [f"{record.name}: left out, no_speech: no speech is heard"]

    def test_windows_that_a_check_would_refuse_are_measured_too(self, record, tmp_path):
        """White noise twice as loud as the speech."""
        noise = np.random.default_rng(0).normal(0, voice().std(), len(voice())).astype(np.float32)
        noisy = replace(record, path=write(tmp_path / "noisy.mp4", face(), 0.3 * (voice() + 2 * noise)))
        setup = load_setup(calibrating=True, checks=BOTH)
        (window, *_), (whole,) = module._read(noisy, setup.checks, setup, module._Others())
        assert window.real["lips"]["sound_range"] < 8
        assert "lips" not in whole.windows  # of which no stretch would be scored

    def test_of_a_whole_clip_the_moments_of_the_windows_that_are_scored(self, record):
        setup = load_setup(calibrating=True, checks=BOTH)
        _, (whole,) = module._read(record, setup.checks, setup, module._Others())
        assert list(whole.windows) == ["lips"]  # the face check sees nothing finer than windows
        for window in whole.windows["lips"]:
            assert window.moments is not None
            assert window.artefacts == {}  # they would take much memory
