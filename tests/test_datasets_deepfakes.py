"""Data sets of deepfakes: the layouts and metadata as published, and what training refuses."""

import json
from os import environ
from pathlib import Path

import pytest

from avsync.cli import main
from avsync.datasets import DATASETS, ClipRecord, fakeavceleb, open_dataset
from avsync.datasets.folders import two_folders
from avsync.datasets.spans import read_spans
from avsync.datasets.splits import calibration_records, training_records
from avsync.errors import UsageError

METADATA = Path(environ.get("AVSYNC_SHARED", Path(__file__).parents[2] / "shared")) / "data/metadata"
published = pytest.mark.skipif(not METADATA.is_dir(), reason="the excerpts of published metadata are not here")


def make(root: Path, *names: str) -> Path:
    """A folder with these files."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip")
    return root


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def told(record: ClipRecord) -> tuple[str, ...]:
    return (record.name, record.label, record.type, record.method, record.identity)


class TestSpans:
    def test_overlapping_and_touching_stretches_become_one(self):
        assert read_spans("x", [[3, 4], [0.5, 1], [1, 1.5], [1.2, 1.4]]) == ((0.5, 1.5), (3.0, 4.0))

    def test_end_behind_the_clip_is_cut_and_start_behind_it_is_a_mistake(self):
        assert read_spans("x", [[1, 9]], seconds=2.0) == ((1.0, 2.0),)
        with pytest.raises(UsageError, match=r"^x: the fake segment \[3, 9\] starts behind the clip's end, 2 s$"):
            read_spans("x", [[3, 9]], seconds=2.0)

    @pytest.mark.parametrize("value", [None, "1-2", [1, 2], [[1]], [["1", "2"]], [[2, 1]], [[-1, 1]], [[0, 1e999]]])
    def test_what_is_no_stretch_is_named(self, value):
        with pytest.raises(UsageError, match=r"^x: "):
            read_spans("x", value)


class TestAVDeepfake1M:
    def entry(self, variant: str, kind: str, **more: object) -> dict[str, object]:
        given = {
            "file": f"id01614/v7f3xnIxpzo/00471/{variant}.mp4",
            "original": None if kind == "real" else "id01614/v7f3xnIxpzo/00471/real.mp4",
            "split": "val",
            "modify_type": kind,
            "audio_model": "yourtts",
            "fake_segments": [],
            "audio_fake_segments": [],
            "visual_fake_segments": [],
            "video_frames": 200,
            "audio_frames": 128_000,
        }
        return {**given, **more}

    def tree(self, root: Path, *entries: dict[str, object], part: str = "val") -> Path:
        write(root / f"{part}_metadata.json", list(entries))
        return make(root, f"{part}/id01614/v7f3xnIxpzo/00471/real.mp4")

    def test_entry_becomes_record(self, tmp_path):
        both = self.entry(
            "fake_video_fake_audio",
            "both_modified",
            fake_segments=[[1.0, 1.6]],
            audio_fake_segments=[[1.0, 1.5]],
            visual_fake_segments=[[1.1, 1.6]],
        )
        real, fake = open_dataset(self.tree(tmp_path, self.entry("real", "real"), both))
        assert real.path.is_file()
        name = "val/id01614/v7f3xnIxpzo/00471/"
        assert told(real) == (f"{name}real.mp4", "real", "RealVideo-RealAudio", "real", "id01614")
        assert told(fake)[1:] == ("fake", "FakeVideo-FakeAudio", "yourtts", "id01614")
        assert (fake.fake_spans, fake.audio_fake_spans, fake.visual_fake_spans) == (
            ((1.0, 1.6),),
            ((1.0, 1.5),),
            ((1.1, 1.6),),
        )
        assert (real.fake_spans, real.audio_fake_spans, real.split) == ((), (), "val")

    def test_plus_plus_names_the_model_of_the_picture_and_other_sources(self, tmp_path):
        entries = [
            self.entry("fake_video_real_audio", "visual_modified", video_model="latentsync"),
            self.entry("fake_video_fake_audio", "both_modified", video_model="latentsync"),
            self.entry("real", "real", file="lrs3/0Fi83BHQsMA/50002/real.mp4"),
        ]
        picture, both, other = open_dataset(self.tree(tmp_path, *entries))
        assert [picture.method, both.method] == ["latentsync", "latentsync+yourtts"]
        assert other.identity == "lrs3/0Fi83BHQsMA"

    def test_train_is_listed_by_name_or_if_it_is_alone(self, tmp_path):
        self.tree(tmp_path, self.entry("real", "real"), part="train")
        (alone,) = open_dataset(tmp_path)
        self.tree(tmp_path, self.entry("real", "real"))
        (default,), (named,) = open_dataset(tmp_path), open_dataset(tmp_path, split=Path("train"))
        assert [alone.split, default.split, named.split] == ["train", "val", "train"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"modify_type": "swapped"}, "entry 1: unknown modify_type 'swapped'"),
            ({"file": "../real.mp4"}, "entry 1: .* is not a path below"),
            ({"modify_type": "audio_modified", "fake_segments": [[9, 10]]}, r"entry 1: .*\[9, 10\] starts behind"),
        ],
    )
    def test_mistake_is_named(self, tmp_path, change, message):
        with pytest.raises(UsageError, match=message):
            open_dataset(self.tree(tmp_path, self.entry("real", "real", **change)))

    def test_missing_field_part_or_folder_is_told(self, tmp_path):
        entry = self.entry("real", "real")
        del entry["fake_segments"]
        with pytest.raises(UsageError, match=r"val_metadata\.json entry 1: fake_segments is missing"):
            open_dataset(self.tree(tmp_path / "a", entry))
        with pytest.raises(UsageError, match="unknown split 'dev'; known: val, train"):
            open_dataset(tmp_path / "a", split=Path("dev"))
        write(tmp_path / "b/val_metadata.json", [])
        with pytest.raises(UsageError, match="the folder val is not; expected val_metadata"):
            open_dataset(tmp_path / "b")
        write(tmp_path / "a/val_metadata.json", "[{")
        with pytest.raises(UsageError, match="cannot be read as a JSON file"):
            open_dataset(tmp_path / "a")

    @published
    def test_list_of_avh_align(self, tmp_path):
        fake = self.entry("real_video_fake_audio", "audio_modified", file="id01591/q7LU-D4bH_c/00167/x.mp4")
        fake |= {"file": "id01591/q7LU-D4bH_c/00167/real_video_fake_audio.mp4", "fake_segments": [[1, 2]]}
        root = self.tree(tmp_path, fake)
        records = open_dataset(root, split=METADATA / "av_deepfake1m_avhalign_test.csv")
        assert len(records) == 11
        assert [record.fake_spans for record in records[:2]] == [((1.0, 2.0),), ()]
        assert sorted({record.type for record in records}) == [
            "FakeVideo-FakeAudio",
            "FakeVideo-RealAudio",
            "RealVideo-FakeAudio",
            "RealVideo-RealAudio",
        ]
        assert [record.identity for record in records if record.label == "real"] == ["id01614", "id01769"]

    def test_label_that_contradicts_the_metadata_is_named(self, tmp_path):
        table = write(tmp_path / "list.csv", "path,label\nid01614/v7f3xnIxpzo/00471/real.mp4,1\n")
        with pytest.raises(UsageError, match=r"list\.csv line 2: label '1', but the clip is real"):
            open_dataset(self.tree(tmp_path, self.entry("real", "real")), split=table)


class TestLAVDF:
    def entry(self, file: str, **more: object) -> dict[str, object]:
        given = {
            "file": file,
            "n_fakes": 0,
            "fake_periods": [],
            "duration": 8.0,
            "original": None,
            "modify_video": False,
            "modify_audio": False,
            "split": file.partition("/")[0],
            "video_frames": 200,
            "audio_channels": 1,
            "audio_frames": 128_000,
        }
        return {**given, **more}

    def tree(self, root: Path, *entries: dict[str, object], name: str = "metadata.min.json") -> Path:
        write(root / name, list(entries))
        return make(root, "test/000001.mp4", "dev/000003.mp4")

    def test_entries_of_the_test_part_become_records(self, tmp_path):
        fake = {"fake_periods": [[2.1, 2.7]], "original": "test/000001.mp4", "modify_audio": True}
        entries = [self.entry("test/000001.mp4"), self.entry("test/000002.mp4", **fake), self.entry("dev/000003.mp4")]
        real, fake_sound = open_dataset(self.tree(tmp_path, *entries))
        assert told(real) == ("test/000001.mp4", "real", "RealVideo-RealAudio", "real", "test/000001.mp4")
        assert told(fake_sound)[1:] == ("fake", "RealVideo-FakeAudio", "unknown", "test/000001.mp4")
        assert (fake_sound.fake_spans, fake_sound.audio_fake_spans) == (((2.1, 2.7),), ((2.1, 2.7),))
        assert fake_sound.visual_fake_spans == ()
        (dev,) = open_dataset(tmp_path, split=Path("dev"))
        assert dev.path == tmp_path / "dev/000003.mp4"

    def test_metadata_may_have_the_other_name(self, tmp_path):
        root = self.tree(tmp_path / "LAV-DF", self.entry("test/000001.mp4"), name="metadata.json")
        assert len(open_dataset(root)) == len(open_dataset(tmp_path, "lav_df")) == 1

    def test_mistake_is_named(self, tmp_path):
        for change, message in (
            ({"split": "eval"}, "entry 1: unknown split 'eval'; known: train, dev, test"),
            ({"modify_video": True, "fake_periods": [[8, 9]]}, r"\[8, 9\] starts behind the clip's end, 8 s"),
        ):
            with pytest.raises(UsageError, match=message):
                open_dataset(self.tree(tmp_path, self.entry("test/000001.mp4", **change)))
        with pytest.raises(UsageError, match=r"metadata\.min\.json is there, the folder train is not"):
            open_dataset(tmp_path, split=Path("train"))


class TestAVLips:
    def test_clips_with_their_sound(self, tmp_path):
        make(tmp_path / "AVLips", "0_real/0.mp4", "1_fake/0.mp4", "1_fake/1.mp4", "wav/1_fake/0.wav")
        records = open_dataset(tmp_path)
        assert [told(record) for record in records] == [
            ("0_real/0.mp4", "real", "RealVideo-RealAudio", "real", "0"),
            ("1_fake/0.mp4", "fake", "FakeVideo-RealAudio", "unknown", "0"),
            ("1_fake/1.mp4", "fake", "FakeVideo-RealAudio", "unknown", "1"),
        ]
        assert [record.audio for record in records] == [None, tmp_path / "AVLips/wav/1_fake/0.wav", None]

    def test_empty_class_is_told(self, tmp_path):
        (make(tmp_path, "1_fake/0.mp4") / "0_real").mkdir()
        with pytest.raises(UsageError, match=r"0_real: no clip there; expected 0_real/"):
            open_dataset(tmp_path)


class TestKoDF:
    def test_folders_tell_the_method_and_the_person(self, tmp_path):
        clips = ("original_videos/p1/a.mp4", "synthesized_videos/fsgan/p1/b.mp4", "synthesized_videos/fo/c.mp4")
        make(tmp_path / "kodf_release", *clips)
        assert [told(record)[1:] for record in open_dataset(tmp_path)] == [
            ("real", "RealVideo-RealAudio", "real", "p1"),
            ("fake", "FakeVideo-RealAudio", "fo", "c"),
            ("fake", "FakeVideo-RealAudio", "fsgan", "p1"),
        ]

    def test_half_of_it_is_told(self, tmp_path):
        with pytest.raises(UsageError, match="no clip in synthesized_videos; expected original_videos/"):
            open_dataset(make(tmp_path, "original_videos/p1/a.mp4"))


class TestDFDC:
    PART = {  # noqa: RUF012
        "x.mp4": {"label": "FAKE", "split": "train", "original": "y.mp4"},
        "y.mp4": {"label": "REAL", "split": "train"},
    }

    def test_training_parts(self, tmp_path):
        for number in (0, 1):
            write(tmp_path / f"dfdc_train_part_{number}/metadata.json", self.PART)
        fake, real, *rest = open_dataset(tmp_path)
        assert told(fake) == ("dfdc_train_part_0/x.mp4", "fake", "FakeVideo", "unknown", "y.mp4")
        assert told(real) == ("dfdc_train_part_0/y.mp4", "real", "RealVideo-RealAudio", "real", "y.mp4")
        assert fake.has_picture
        assert len(rest) == 2
        assert len(open_dataset(tmp_path / "dfdc_train_part_1")) == 2

    def test_labels_of_test_come_first(self, tmp_path):
        write(tmp_path / "dfdc_train_part_0/metadata.json", self.PART)
        write(make(tmp_path, "test/videos/a.mp4") / "test/labels.csv", "filename,label\na.mp4,0\nb.mp4,1\n")
        real, fake = open_dataset(tmp_path)
        assert (real.path, real.label, fake.label, fake.split) == (
            *(tmp_path / "test/videos/a.mp4", "real", "fake", "test"),
        )
        assert len(open_dataset(tmp_path, split=Path("train"))) == 2
        with pytest.raises(UsageError, match="validation is not there, only test, train"):
            open_dataset(tmp_path, split=Path("validation"))

    def test_mistake_is_named(self, tmp_path):
        write(tmp_path / "metadata.json", {"x.mp4": {"label": "MAYBE"}})
        with pytest.raises(UsageError, match=r"entry 'x\.mp4': unknown label 'MAYBE'; known: REAL, FAKE"):
            open_dataset(tmp_path)
        write(tmp_path / "a/labels.csv", "filename,label\na.mp4,2\n")
        with pytest.raises(UsageError, match="line 2: unknown label '2'"):
            open_dataset(tmp_path / "a")


class TestDeepfakeEval2024:
    TABLE = (
        "Filename,Date,Video Ground Truth,Audio Ground Truth,Finetuning Set\n"
        "a.mp4,2024-01-01,Real,Real,Test\nb.mp4,2024-01-01,Fake,Real,Train\nc.mp4,2024-01-01,Fake,Unknown,Test\n"
        "d.mp4,2024-01-01,Real,Unknown,Test\n"
    )

    def test_videos_have_two_labels(self, tmp_path):
        write(make(tmp_path, "video-data/a.mp4") / "video-metadata-publish-with-links.csv", self.TABLE)
        assert [told(record)[1:3] for record in open_dataset(tmp_path)] == [
            ("real", "RealVideo-RealAudio"),
            ("fake", "FakeVideo-RealAudio"),
            ("fake", "FakeVideo"),
        ]
        assert [record.identity for record in open_dataset(tmp_path, split=Path("test"))] == ["a", "c"]

    def test_sound_is_a_data_set_of_its_own(self, tmp_path):
        make(tmp_path, "audio-data/a.wav", "video-data/a.mp4")
        write(tmp_path / "audio-metadata-publish.csv", "Filename,Ground Truth,Finetuning Set\na.wav,Fake,Test\n")
        (record,) = open_dataset(tmp_path)
        assert (record.type, record.path) == ("FakeAudio", tmp_path / "audio-data/a.wav")
        write(tmp_path / "video-metadata-publish.csv", self.TABLE)
        with pytest.raises(UsageError, match="name the data set: deepfake_eval_2024 or deepfake_eval_2024_audio"):
            open_dataset(tmp_path)

    def test_unknown_label_is_named(self, tmp_path):
        table = self.TABLE.replace("Fake,Real,Train", "Maybe,Real,Train")
        write(make(tmp_path, "video-data/a.mp4") / "video-metadata-publish.csv", table)
        with pytest.raises(UsageError, match="line 3: unknown label 'Maybe'"):
            open_dataset(tmp_path)


class TestTableOfVideos:
    def test_row_becomes_record(self, tmp_path):
        write(
            tmp_path / "meta.csv",
            "path,label,identity,method,audio,type,fake_segments,audio_fake_segments,split\n"
            'a.mp4,fake,ann,wav2lip,a.wav,FakeVideo-FakeAudio,"[[1, 2.5]]","[[2, 3]]",test\n'
            "b.mp4,real,ann,,,,,,train\nc.mp4,fake,bob,,,,,,test\nd.wav,fake,bob,,,,,,test\n",
        )
        fake, real, unknown, speech = open_dataset(tmp_path)
        assert told(fake) == ("a.mp4", "fake", "FakeVideo-FakeAudio", "wav2lip", "ann")
        assert fake.audio == tmp_path / "a.wav"
        assert (fake.fake_spans, fake.audio_fake_spans, fake.visual_fake_spans) == (((1, 3),), ((2, 3),), None)
        assert (real.label, real.type, real.audio) == ("real", "RealVideo-RealAudio", None)
        assert (unknown.type, speech.type) == ("FakeVideo", "FakeAudio")
        assert open_dataset(tmp_path, split=Path("train")) == [real]
        with pytest.raises(UsageError, match="unknown split 'dev'; known: test, train"):
            open_dataset(tmp_path, split=Path("dev"))

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("a.mp4,fake,Fake,", "line 2: unknown type 'Fake' of a fake; known: RealVideo-FakeAudio, "),
            ("a.mp4,fake,,1-2", "line 2: fake segments are a list of .start, end. in seconds, not '1-2'"),
            ('a.mp4,fake,,"[[2, 1]]"', "line 2: the fake segment .2, 1. does not run forwards"),
            ('a.mp4,real,,"[[1, 2]]"', "line 2: a real clip has no fake segments"),
        ],
    )
    def test_mistake_is_named(self, tmp_path, row, message):
        write(tmp_path / "meta.csv", f"path,label,type,fake_segments\n{row}\n")
        with pytest.raises(UsageError, match=message):
            open_dataset(tmp_path)


class TestTwoFolders:
    def test_one_folder_that_holds_both(self, tmp_path):
        make(tmp_path, "real/ann/1.mp4", "fake/ann/2.mp4", "fake/3.wav", "fake/notes.txt")
        assert [told(record) for record in open_dataset(tmp_path)] == [
            ("real/ann/1.mp4", "real", "RealVideo-RealAudio", "real", "ann"),
            ("fake/3.wav", "fake", "FakeAudio", "unknown", "3"),
            ("fake/ann/2.mp4", "fake", "FakeVideo", "unknown", "ann"),
        ]

    def test_folders_with_other_names(self, tmp_path):
        make(tmp_path, "camera/1.mp4", "made/1.mp4")
        real, fake = two_folders(tmp_path / "camera", tmp_path / "made")
        assert (real.name, real.label, fake.name, fake.label) == ("real/1.mp4", "real", "fake/1.mp4", "fake")
        assert real.identity == fake.identity == "1"

    def test_wrong_folders_are_told(self, tmp_path):
        make(tmp_path, "a/1.mp4", "b/notes.txt")
        for real, fake, message in (
            ("a", "none", "none: no such folder"),
            ("a", "b", "b: no video and no sound file there"),
            ("a", "a", "one lies in the other"),
            (".", "a", "one lies in the other"),
        ):
            with pytest.raises(UsageError, match=message):
                two_folders(tmp_path / real, tmp_path / fake)


class TestTraining:
    """Every tree of this page is refused for training as a whole; its real clips may calibrate."""

    @pytest.mark.parametrize(
        ("root", "files"),
        [
            ("x", ("val_metadata.json", "val/id1/v/1/real.mp4")),
            ("x", ("metadata.min.json", "test/1.mp4")),
            ("x", ("0_real/0.mp4", "1_fake/0.mp4")),
            ("x", ("original_videos/p/a.mp4", "synthesized_videos/fo/p/b.mp4")),
            ("x", ("dfdc_train_part_7/a.mp4",)),
            ("x", ("video-metadata-publish.csv", "video-data/a.mp4")),
            ("x", ("real/1.mp4", "fake/1.mp4")),
            ("x", ("AV-Deepfake1M/train/id1/v/1/real.mp4",)),
        ],
    )
    def test_tree_is_refused(self, tmp_path, root, files):
        with pytest.raises(UsageError, match="a tree with fakes"):
            training_records(make(tmp_path / root, *files))

    def test_part_of_such_a_tree_is_refused(self, tmp_path):
        root = make(tmp_path, "AV-Deepfake1M/val/dev/mp4/id1/v/1.mp4") / "AV-Deepfake1M/val"
        with pytest.raises(UsageError, match="lies in a data set with fakes"):
            training_records(root)

    def test_real_clips_calibrate(self, tmp_path):
        people = [f"p{number}" for number in range(20)]
        make(tmp_path, *(f"real/{person}/1.mp4" for person in people), "fake/p1/1.mp4")
        records = calibration_records(tmp_path)
        assert 0 < len(records) < 20
        assert {record.label for record in records} == {"real"}


@published
def test_split_of_avh_align_for_fakeavceleb(tmp_path):
    tree = make(tmp_path / "FakeAVCeleb", "RealVideo-RealAudio/African/men/id00076/00109.mp4")
    (tree / "meta_data.csv").write_text(
        "source,target1,target2,method,category,type,race,gender,path,\n"
        "id00366,-,id00987,wav2lip,C,FakeVideo-RealAudio,African,men,00118_id00987_wavtolip.mp4,"
        "FakeAVCeleb/FakeVideo-RealAudio/African/men/id00366\n"
    )
    records = fakeavceleb.records(tree, METADATA / "fakeavceleb_avhalign_test_split.csv")
    assert len(records) == 16
    assert {record.type for record in records} == {"FakeVideo-FakeAudio", "FakeVideo-RealAudio"}
    listed = next(record for record in records if record.identity == "id00366")
    assert (listed.method, listed.path) == (
        "wav2lip",
        tree / "FakeVideo-RealAudio/African/men/id00366/00118_id00987_wavtolip.mp4",
    )


def test_every_data_set_with_fakes_tells_what_it_holds_and_where_to_ask():
    for dataset in DATASETS.values():
        assert dataset.about.holds, dataset.name
        assert dataset.about.source or dataset.name in ("manifest", "folders", "speech"), dataset.name


class TestVerbs:
    def run(self, monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["avsync", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    def test_datasets_lists_every_data_set(self, monkeypatch, capsys):
        status, out, _ = self.run(monkeypatch, capsys, "datasets")
        assert status == 0
        assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == list(DATASETS)
        status, out, _ = self.run(monkeypatch, capsys, "datasets", "kodf")
        headings = [line.split()[0] for line in out.splitlines()]
        assert (status, headings) == (0, ["kodf", "size", "licence", "source", "layout"])

    def test_unknown_name_is_told(self, monkeypatch, capsys):
        status, _, err = self.run(monkeypatch, capsys, "datasets", "x")
        assert (status, err.count("\n")) == (2, 1)
        assert err.startswith("avsync: unknown data set 'x'; known: fakeavceleb, ")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "give the folder of a data set, or --real DIR and --fake DIR"),
            (("a", "--real", "a", "--fake", "a"), "give the folder of a data set, or --real DIR and --fake DIR"),
            (("--real", "a"), "give the folder of a data set, or --real DIR and --fake DIR"),
            (("--real", "a", "--fake", "b", "--split", "test"), "--dataset and --split go with the folder of a data"),
            (("--real", "a", "--fake", "b"), "a: no such folder"),
        ],
    )
    def test_evaluate_takes_a_data_set_or_two_folders(self, tmp_path, monkeypatch, capsys, arguments, message):
        monkeypatch.chdir(tmp_path)
        status, _, err = self.run(monkeypatch, capsys, "evaluate", *arguments)
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
