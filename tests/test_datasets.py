"""The layouts of VoxCeleb2 and FakeAVCeleb, with the quirks of their real copies."""

from collections import Counter
from os import environ
from pathlib import Path

import pytest

from avsync.datasets import fakeavceleb, voxceleb2
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
        assert set(Counter(record.type for record in records)) == set(fakeavceleb.CATEGORIES.values())
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
            with pytest.raises(UsageError, match="no dev/mp4/<speaker>/<video>/<utterance>"):
                voxceleb2.records(root)
