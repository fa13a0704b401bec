"""The registry of data sets, and the layouts of VoxCeleb2 and FakeAVCeleb with the quirks of their real copies."""

from collections import Counter
from os import environ
from pathlib import Path

import pytest

from avsync.datasets import DATASETS, ClipRecord, Dataset, fakeavceleb, open_dataset, voxceleb2
from avsync.errors import UsageError

HEADER = "source,target1,target2,method,category,type,race,gender,path,"
REAL = (
    "id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,FakeAVCeleb/RealVideo-RealAudio/African/men/id00076"
)
SOUTH = "Asian (South)/women/id00032"
DUBBED = (
    f"id00032,-,-,rtvc,B,RealVideo-FakeAudio,Asian (South),women,00028_fake.mp4,FakeAVCeleb/RealVideo-FakeAudio/{SOUTH}"
)
SYNCED = (
    f"id00032,-,-,wav2lip,C,FakeVideo-RealAudio,Asian (South),women,00028_0.mp4,FakeAVCeleb/FakeVideo-RealAudio/{SOUTH}"
)
SHARED = Path(environ.get("AVSYNC_SHARED", Path(__file__).parents[2] / "shared")) / "data"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"clip")
    return path


def make_tree(folder: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8", end: str = "\n") -> Path:
    """A tree called `folder` with `meta_data.csv` and the file of the real row."""
    touch(folder / "RealVideo-RealAudio/African/men/id00076/00109.mp4")
    (folder / "meta_data.csv").write_bytes((end.join((header, *rows)) + end).encode(encoding))
    return folder


def make_voxceleb(folder: Path, *speakers: str) -> Path:
    for speaker in speakers:
        touch(folder / "dev/mp4" / speaker / "video/00001.mp4")
    return folder


class TestRegistry:
    def test_every_data_set_is_listed_under_its_name(self):
        assert {"fakeavceleb", "voxceleb2"} <= set(DATASETS)
        assert all(name == dataset.name for name, dataset in DATASETS.items())

    def test_layout_says_which_data_set_a_folder_is(self, tmp_path):
        fakes = make_tree(tmp_path / "a" / "FakeAVCeleb_v1.2", REAL, DUBBED)
        real = make_voxceleb(tmp_path / "b", "ann")
        for root in (fakes, fakes.parent):
            assert open_dataset(root) == fakeavceleb.records(fakes)
        for root in (real, real / "dev"):
            assert open_dataset(root) == voxceleb2.records(real)

    def test_data_set_can_be_named(self, tmp_path):
        root = make_voxceleb(make_tree(tmp_path, REAL), "ann")
        with pytest.raises(UsageError, match=r"laid out like FakeAVCeleb and VoxCeleb2; name the data set"):
            open_dataset(root)
        assert open_dataset(root, "voxceleb2") == voxceleb2.records(root)
        assert open_dataset(root, "fakeavceleb") == fakeavceleb.records(root)

    def test_unknown_name_lists_the_known_ones(self, tmp_path):
        with pytest.raises(UsageError, match=rf"^unknown data set 'vox'; known: {', '.join(DATASETS)}$"):
            open_dataset(make_voxceleb(tmp_path, "ann"), "vox")

    def test_other_layout_is_told_from_the_named_one(self, tmp_path):
        root = make_tree(tmp_path, REAL)
        with pytest.raises(UsageError) as caught:
            open_dataset(root, "voxceleb2")
        assert str(caught.value) == (
            f"{root}: no VoxCeleb2 tree there; expected dev/mp4/<speaker>/<video>/<utterance>.mp4; "
            "found 'RealVideo-RealAudio', 'meta_data.csv'"
        )

    def test_unknown_layout_says_what_was_expected_and_found(self, tmp_path):
        for name in ("b", "a\nb", "d", "c"):
            touch(tmp_path / name)
        with pytest.raises(UsageError) as caught:
            open_dataset(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}: no known data set there; expected a layout that `avsync datasets` lists; "
            "found 'a\\nb', 'b', 'c', …"
        )

    def test_part_of_a_layout_says_the_whole(self, tmp_path):
        touch(tmp_path / "1_fake/0.mp4")
        with pytest.raises(UsageError, match=r"expected 0_real/<clip>\.mp4 and 1_fake/.* \(AVLips\); found '1_fake'$"):
            open_dataset(tmp_path)

    def test_folder_of_parts_called_dev_is_not_enough_for_voxceleb2(self, tmp_path):
        touch(tmp_path / "dev/000001.mp4")
        with pytest.raises(UsageError, match=r"no known data set there; .* found 'dev'$"):
            open_dataset(tmp_path)

    def test_empty_missing_or_unreadable_root(self, tmp_path):
        with pytest.raises(UsageError, match=r"found an empty folder$"):
            open_dataset(tmp_path)
        with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\)$"):
            open_dataset(tmp_path / "none")
        with pytest.raises(UsageError, match=r"cannot be read \(Not a directory\)$"):
            open_dataset(touch(tmp_path / "file"), "voxceleb2")

    def test_split_table_is_passed_on_or_refused(self, tmp_path):
        split = tmp_path / "split.csv"
        split.write_text("source,category,full_path\nid00032,B,FakeAVCeleb/RealVideo-FakeAudio/1.mp4\n")
        (record,) = open_dataset(make_tree(tmp_path / "FakeAVCeleb", REAL), split=split)
        assert record.type == "RealVideo-FakeAudio"
        with pytest.raises(UsageError, match=r"split\.csv: VoxCeleb2 has no split tables"):
            open_dataset(make_voxceleb(tmp_path / "real", "ann"), split=split)

    def test_new_data_set_is_one_file_and_one_line(self, tmp_path, monkeypatch):
        """The file below, the line that puts it into DATASETS."""

        def records(root: Path) -> list[ClipRecord]:
            return [
                ClipRecord(path, path.name, "real", "RealVideo-RealAudio", "real", "ann", "ann")
                for path in root.glob("*.mkv")
            ]

        lab = Dataset("lab", "Lab", "lab.txt beside <clip>.mkv", lambda root: (root / "lab.txt").is_file(), records)
        clip = touch(tmp_path / "1.mkv")
        touch(tmp_path / "lab.txt")
        with pytest.raises(UsageError, match="no known data set"):
            open_dataset(tmp_path)
        monkeypatch.setitem(DATASETS, "lab", lab)
        for name in (None, "lab"):
            assert [record.path for record in open_dataset(tmp_path, name)] == [clip]
        with pytest.raises(UsageError, match=r"no Lab tree there; expected lab\.txt beside <clip>\.mkv; found"):
            open_dataset(make_voxceleb(tmp_path / "none", "ann"), "lab")


class TestFakeAVCeleb:
    def test_row_becomes_record(self, tmp_path):
        tree = make_tree(tmp_path / "FakeAVCeleb_v1.2", REAL, DUBBED)
        real, fake = fakeavceleb.records(tree)
        assert (real.label, real.type, real.method) == ("real", "RealVideo-RealAudio", "real")
        assert real.name == "RealVideo-RealAudio/African/men/id00076/00109.mp4"
        assert real.path.read_bytes() == b"clip"
        assert (real.identity, real.speaker) == ("id00076", "id00076")
        assert (fake.label, fake.type, fake.method) == ("fake", "RealVideo-FakeAudio", "rtvc")
        assert fake.path == tree / "RealVideo-FakeAudio/Asian (South)/women/id00032/00028_fake.mp4"

    @pytest.mark.parametrize("name", ["FakeAVCeleb", "FakeAVCeleb_v1.2"])
    def test_root_is_the_tree_or_its_parent(self, tmp_path, name):
        tree = make_tree(tmp_path / name, REAL)
        assert fakeavceleb.records(tree) == fakeavceleb.records(tmp_path)

    def test_tree_by_any_other_name(self, tmp_path):
        assert len(fakeavceleb.records(make_tree(tmp_path / "fav", REAL))) == 1

    def test_table_beside_the_tree(self, tmp_path):
        tree = make_tree(tmp_path / "FakeAVCeleb", REAL)
        (tree / "meta_data.csv").rename(tmp_path / "meta_data.csv")
        assert fakeavceleb.records(tree) == fakeavceleb.records(tmp_path)

    def test_relative_root(self, tmp_path, monkeypatch):
        monkeypatch.chdir(make_tree(tmp_path / "FakeAVCeleb", REAL))
        assert fakeavceleb.records(Path())[0].path.is_file()

    def test_byte_order_mark_and_crlf(self, tmp_path):
        tree = make_tree(tmp_path / "FakeAVCeleb", REAL, DUBBED, encoding="utf-8-sig", end="\r\n")
        assert [record.method for record in fakeavceleb.records(tree)] == ["real", "rtvc"]

    def test_header_of_repaired_copies(self, tmp_path):
        tree = make_tree(tmp_path / "FakeAVCeleb", REAL, header=f"{HEADER.removesuffix('path,')}filename,path")
        assert len(fakeavceleb.records(tree)) == 1

    def test_letter_case_and_spaces_do_not_matter(self, tmp_path):
        loud = REAL.replace("real,A,RealVideo-RealAudio", " Real , a , realvideo-realaudio ")
        tree = make_tree(
            tmp_path / "FakeAVCeleb", loud, SYNCED, SYNCED.replace("wav2lip", "Wav2Lip").replace("_0", "_1")
        )
        real, *fakes = fakeavceleb.records(tree)
        assert (real.label, real.method, real.type) == ("real", "real", "RealVideo-RealAudio")
        assert [fake.method for fake in fakes] == ["wav2lip", "wav2lip"]

    def test_clip_listed_twice_counts_once(self, tmp_path):
        assert len(fakeavceleb.records(make_tree(tmp_path / "FakeAVCeleb", REAL, REAL, ""))) == 1

    def test_missing_file_is_kept(self, tmp_path):
        _, missing = fakeavceleb.records(make_tree(tmp_path / "FakeAVCeleb", REAL, DUBBED))
        assert not missing.path.exists()

    def test_split_selects_in_its_order(self, tmp_path):
        tree = make_tree(tmp_path / "FakeAVCeleb_v1.2", REAL, DUBBED, SYNCED)
        split = tmp_path / "test_split.csv"
        names = ["FakeVideo-RealAudio/Asian (South)/women/id00032/00028_0.mp4", fakeavceleb.records(tree)[0].name]
        split.write_text(
            f"source,category,full_path\nid00032,C,FakeAVCeleb/{names[0]}\nid00076,A,FakeAVCeleb/{names[1]}\n"
        )
        records = fakeavceleb.records(tree, split)
        assert [record.name for record in records] == names
        assert [record.method for record in records] == ["wav2lip", "real"]

    def test_split_may_name_clips_that_are_not_listed(self, tmp_path):
        tree = make_tree(tmp_path / "FakeAVCeleb", REAL)
        split = tmp_path / "split.csv"
        split.write_text("source,category,full_path\nid1,D,FakeAVCeleb/FakeVideo-FakeAudio/African/men/id1/1.mp4\n")
        (record,) = fakeavceleb.records(tree, split)
        assert (record.label, record.type, record.method) == ("fake", "FakeVideo-FakeAudio", "unknown")

    @pytest.mark.parametrize(
        "folder",
        ["../../etc", "/etc", "FakeAVCeleb/../../x", "C:\\Windows", "FakeAVCeleb\\..\\..\\x", "\\\\host\\share"],
    )
    def test_paths_do_not_leave_the_tree(self, tmp_path, folder):
        row = REAL.rpartition(",")[0] + f",{folder}"
        tree = make_tree(tmp_path / "FakeAVCeleb", row)
        with pytest.raises(UsageError, match=r"meta_data.csv line 2: .* not a path below"):
            fakeavceleb.records(tree)
        split = tmp_path / "split.csv"
        split.write_text(f"source,category,full_path\nid1,A,{folder}/1.mp4\n")
        make_tree(tree, REAL)
        with pytest.raises(UsageError, match=r"split.csv line 2: .* not a path below"):
            fakeavceleb.records(tree, split)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "must begin with source,target1"),
            (b"a,b,c\n1,2,3\n", "must begin with source,target1"),
            (HEADER.encode(), "lists no clip"),
            (f"{HEADER}\nid1,-,-,real\n".encode(), "line 2: 4 columns instead of 10"),
            (
                f"{HEADER}\n{REAL}\n".replace("A,RealVideo-RealAudio", "A,Video").encode(),
                "line 2: unknown type 'Video'",
            ),
            (f"{HEADER}\n{REAL}\n".replace("id", "é").encode("latin-1"), "cannot be read as a CSV file"),
        ],
    )
    def test_bad_table_is_a_usage_error(self, tmp_path, content, message):
        tree = make_tree(tmp_path / "FakeAVCeleb")
        (tree / "meta_data.csv").write_bytes(content)
        with pytest.raises(UsageError, match=message) as caught:
            fakeavceleb.records(tree)
        assert "\n" not in str(caught.value)

    def test_missing_tree_table_or_split(self, tmp_path):
        with pytest.raises(UsageError, match="no FakeAVCeleb tree there"):
            fakeavceleb.records(tmp_path)
        tree = make_tree(tmp_path / "FakeAVCeleb", REAL)
        with pytest.raises(UsageError, match="cannot be read"):
            fakeavceleb.records(tree, tmp_path / "none.csv")
        (tree / "meta_data.csv").unlink()
        with pytest.raises(UsageError, match=r"meta_data\.csv is neither"):
            fakeavceleb.records(tree)

    @pytest.mark.skipif(not (SHARED / "fakeavceleb_layout").is_dir(), reason="the shared clips are not here")
    def test_real_copy(self):
        records = fakeavceleb.records(SHARED / "fakeavceleb_layout")
        assert all(record.path.is_file() for record in records)
        assert set(Counter(record.type for record in records)) == {
            "RealVideo-RealAudio",
            "RealVideo-FakeAudio",
            "FakeVideo-RealAudio",
            "FakeVideo-FakeAudio",
        }
        assert {record.label for record in records if record.method == "real"} == {"real"}


class TestVoxCeleb2:
    def test_tree_becomes_sorted_records(self, tmp_path):
        for name in ("id2/b/00002.mp4", "id2/b/00001.mp4", "id1/a/00001.mp4", "id1/a/._00001.mp4", "id1/a/00001.txt"):
            touch(tmp_path / "dev/mp4" / name)
        records = voxceleb2.records(tmp_path)
        assert [record.name for record in records] == ["id1/a/00001.mp4", "id2/b/00001.mp4", "id2/b/00002.mp4"]
        assert [record.speaker for record in records] == ["id1", "id2", "id2"]
        assert {(record.label, record.type, record.audio) for record in records} == {
            ("real", "RealVideo-RealAudio", None)
        }
        assert voxceleb2.records(tmp_path / "dev") == records

    def test_sound_beside_the_pictures(self, tmp_path):
        touch(tmp_path / "dev/mp4/id1/a/00001.mp4")
        touch(tmp_path / "dev/mp4/id1/a/00002.mp4")
        sound = touch(tmp_path / "dev/aac/id1/a/00001.m4a")
        assert [record.audio for record in voxceleb2.records(tmp_path)] == [sound, None]

    def test_another_layout_is_a_usage_error(self, tmp_path):
        touch(tmp_path / "dev/mp4/id1/00001.mp4")
        for root in (tmp_path, tmp_path / "none"):
            with pytest.raises(UsageError, match="no clip dev/mp4/<speaker>/<video>/<utterance>"):
                voxceleb2.records(root)
