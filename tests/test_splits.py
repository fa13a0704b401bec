"""Which clips train, validate and calibrate: real ones only."""

from dataclasses import replace
from pathlib import Path

import pytest

from avsync.datasets import DATASETS, ClipRecord, Dataset, role, voxceleb2
from avsync.datasets.splits import calibration_records, refuse_fakes, split_by_speaker, training_records
from avsync.errors import UsageError


def add(tree: Path, speaker: str, kind: str = "mp4", suffix: str = ".mp4") -> Path:
    """Add an empty clip of a speaker to a VoxCeleb2 tree."""
    clip = tree / "dev" / kind / speaker / "video" / f"00001{suffix}"
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.touch()
    return clip


def make_fakeavceleb(tree: Path, *rows: tuple[str, str]) -> Path:
    """A tree whose `meta_data.csv` lists an (identity, type) a row."""
    lines = ["source,target1,target2,method,category,type,race,gender,path,"]
    for identity, kind in rows:
        (tree / kind).mkdir(parents=True, exist_ok=True)
        lines.append(f"{identity},-,-,wav2lip,-,{kind},-,-,1.mp4,FakeAVCeleb/{kind}/-/-/{identity}")
    (tree / "meta_data.csv").write_text("\n".join(lines) + "\n")
    return tree


@pytest.fixture
def root(tmp_path):
    for speaker in ("ann", "bob", "lab_1", "lab_2"):
        add(tmp_path, speaker)
    return tmp_path


class TestTrainingRecords:
    def test_leaves_out_the_speakers_that_are_excluded(self, root):
        assert [r.speaker for r in training_records(root, ["lab_*"])] == ["ann", "bob"]

    def test_glob_that_excludes_nobody_is_an_error(self, root):
        with pytest.raises(UsageError, match=r"data\.exclude: 'lap_\*' names no speaker"):
            training_records(root, ["lap_*"])

    def test_nobody_left_is_an_error(self, root):
        with pytest.raises(UsageError, match="no clip is left"):
            training_records(root, ["*"])

    def test_missing_tree_is_an_error(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            training_records(tmp_path / "none")

    def test_any_registered_data_set_trains_if_all_of_it_is_real(self, root, monkeypatch):
        def records(tree: Path) -> list[ClipRecord]:
            return [replace(record, split="train") for record in voxceleb2.records(tree)]

        lab = Dataset("lab", "Lab", "like VoxCeleb2", voxceleb2.matches, records)
        monkeypatch.setitem(DATASETS, "lab", lab)
        assert {record.split for record in training_records(root, dataset="lab")} == {"train"}

    def test_all_real_part_of_fakeavceleb_could_train(self, tmp_path):
        tree = make_fakeavceleb(tmp_path, ("id00076", "RealVideo-RealAudio"))
        assert [record.identity for record in training_records(tree)] == ["id00076"]


class TestFakesNeverTrain:
    def test_clip_labelled_fake_is_refused(self, root):
        records = training_records(root)
        with pytest.raises(UsageError, match=r"bob/video/00001\.mp4 is a fake \(1 in all\)"):
            refuse_fakes([records[0], replace(records[1], label="fake")])

    def test_data_set_that_labels_a_clip_fake_is_refused_even_if_that_speaker_is_excluded(self, root, monkeypatch):
        def records(tree: Path) -> list[ClipRecord]:
            return [replace(r, label="fake" if r.speaker == "bob" else "real") for r in voxceleb2.records(tree)]

        monkeypatch.setitem(DATASETS, "lab", Dataset("lab", "Lab", "like VoxCeleb2", voxceleb2.matches, records))
        for exclude in ([], ["bob"]):
            with pytest.raises(UsageError, match=r"bob/video/00001\.mp4 is a fake"):
                training_records(root, exclude, "lab")

    def test_fakeavceleb_is_refused(self, tmp_path):
        rows = [("id00076", "RealVideo-RealAudio"), ("id00076", "FakeVideo-RealAudio")]
        tree = make_fakeavceleb(tmp_path / "FakeAVCeleb", *rows)
        for folder in (tree, tmp_path):
            with pytest.raises(UsageError, match="a tree with fakes"):
                training_records(folder)

    def test_fakeavceleb_is_refused_by_its_table_when_the_fakes_are_not_there(self, tmp_path):
        tree = make_fakeavceleb(tmp_path, ("id00076", "RealVideo-RealAudio"), ("id00076", "FakeVideo-RealAudio"))
        (tree / "FakeVideo-RealAudio").rmdir()
        with pytest.raises(UsageError, match=r"FakeVideo-RealAudio/-/-/id00076/1\.mp4 is a fake"):
            training_records(tree)

    @pytest.mark.parametrize(
        "inner", ["FakeVideo-RealAudio", "FakeAVCeleb_v1.2/RealVideo-FakeAudio", "other/fakevideo-fakeaudio"]
    )
    @pytest.mark.parametrize("dataset", [None, "voxceleb2"])
    def test_real_tree_with_a_folder_of_fakes_in_it_is_refused(self, root, inner, dataset):
        (root / inner).mkdir(parents=True)
        with pytest.raises(UsageError, match="a tree with fakes"):
            training_records(root, dataset=dataset)

    def test_fakes_nested_in_a_speaker_are_refused(self, root):
        clip = root / "dev/mp4/ann/RealVideo-FakeAudio/1.mp4"
        clip.parent.mkdir()
        clip.touch()
        with pytest.raises(UsageError, match=r"ann/RealVideo-FakeAudio/1\.mp4 is a fake"):
            training_records(root)

    def test_tree_inside_a_folder_of_fakes_is_refused(self, tmp_path):
        add(tmp_path / "FakeVideo-FakeAudio/id00076", "ann")
        with pytest.raises(UsageError, match="is a fake"):
            training_records(tmp_path / "FakeVideo-FakeAudio/id00076")

    @pytest.mark.parametrize("level", ["speaker", "video", "clip"])
    def test_fakes_linked_into_a_tree_are_refused(self, root, tmp_path_factory, level):
        video = tmp_path_factory.mktemp("other") / "FakeVideo-FakeAudio/cid/video"
        video.mkdir(parents=True)
        (video / "1.mp4").touch()
        link = root / {"speaker": "dev/mp4/cid", "video": "dev/mp4/cid/video", "clip": "dev/mp4/cid/video/1.mp4"}[level]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to({"speaker": video.parent, "video": video, "clip": video / "1.mp4"}[level])
        with pytest.raises(UsageError, match=r"cid/video/1\.mp4 is a fake"):
            training_records(root)

    def test_link_that_is_named_like_fakes_is_refused(self, root, tmp_path_factory):
        store = tmp_path_factory.mktemp("store")
        (store / "1.mp4").touch()
        (root / "dev/mp4/ann/FakeVideo-FakeAudio").symlink_to(store, target_is_directory=True)
        with pytest.raises(UsageError, match="is a fake"):
            training_records(root)

    def test_fake_sound_beside_real_pictures_is_refused(self, root, tmp_path_factory):
        fake = tmp_path_factory.mktemp("other") / "RealVideo-FakeAudio/1.m4a"
        fake.parent.mkdir()
        fake.touch()
        sound = add(root, "bob", kind="aac", suffix=".m4a")
        training_records(root)
        sound.unlink()
        sound.symlink_to(fake)
        with pytest.raises(UsageError, match=r"bob/video/00001\.mp4 is a fake"):
            training_records(root)

    def test_folder_names_come_from_the_registry(self, root, monkeypatch):
        add(root, "manipulated")
        training_records(root)
        lab = Dataset("lab", "Lab", "-", lambda tree: False, lambda tree: [], fake_folders=frozenset({"Manipulated"}))
        monkeypatch.setitem(DATASETS, "lab", lab)
        with pytest.raises(UsageError, match=r"manipulated/video/00001\.mp4 is a fake"):
            training_records(root)


class TestCalibrationRecords:
    def test_real_clips_of_people_who_calibrate(self, tmp_path):
        ids = [f"id{i:05d}" for i in range(20)]
        types = ("RealVideo-RealAudio", "FakeVideo-RealAudio", "RealVideo-FakeAudio", "FakeVideo-FakeAudio")
        tree = make_fakeavceleb(tmp_path, *((identity, kind) for identity in ids for kind in types))
        records = calibration_records(tree)
        assert [r.identity for r in records] == [identity for identity in ids if role(identity) == "calibrate"]
        assert 0 < len(records) < 20
        assert {(r.label, r.type) for r in records} == {("real", "RealVideo-RealAudio")}

    def test_rule_is_the_same_for_every_data_set(self, root):
        speakers = ["ann", "bob", "lab_1", "lab_2"]
        expected = [speaker for speaker in speakers if role(speaker) == "calibrate"]
        assert [r.speaker for r in calibration_records(root, "voxceleb2")] == expected
        assert 0 < len(expected) < 4

    def test_fakes_behind_links_do_not_calibrate(self, root, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("other") / "FakeVideo-FakeAudio"
        (elsewhere / "video").mkdir(parents=True)
        (elsewhere / "video/1.mp4").touch()
        (root / "dev/mp4/cid").symlink_to(elsewhere, target_is_directory=True)
        with pytest.raises(UsageError, match=r"cid/video/1\.mp4 is a fake"):
            calibration_records(root)

    def test_another_folder_is_an_error(self, tmp_path):
        with pytest.raises(UsageError, match="no known data set"):
            calibration_records(tmp_path)


class TestSplit:
    @pytest.fixture
    def records(self, tmp_path):
        record = voxceleb2.records(add(tmp_path, "x").parents[4])[0]
        speakers = ["big"] * 80 + [f"small{i}" for i in range(20)]
        return [replace(record, speaker=speaker) for speaker in speakers]

    def test_drawn_speakers_stay_within_their_share(self, records):
        train, validation = split_by_speaker(records, [], 0.1, seed=0)
        assert len(train) == 90
        assert {r.speaker for r in train}.isdisjoint(r.speaker for r in validation)
        assert "big" in {r.speaker for r in train}

    def test_same_seed_draws_the_same_speakers(self, records):
        first, again, other = (split_by_speaker(records, [], 0.1, seed)[1] for seed in (0, 0, 1))
        assert first == again != other

    def test_speakers_can_be_named(self, records):
        _, validation = split_by_speaker(records, ["small1*"], 0.01, seed=0)
        assert {r.speaker for r in validation} == {"small1", *(f"small{i}" for i in range(10, 20))}

    @pytest.mark.parametrize(("validation", "share"), [(["nobody"], 0.1), (["*"], 0.1), ([], 0.001)])
    def test_one_side_empty_is_an_error(self, records, validation, share):
        with pytest.raises(UsageError, match=r"data\.validation"):
            split_by_speaker(records, validation, share, seed=0)
