"""Data sets of speech: the layouts as published, who speaks, what made a fake, and what training refuses."""

from os import environ
from pathlib import Path

import pytest

from avsync.datasets import DATASETS, FAKE_SPEECH, REAL_SPEECH, open_dataset, role, with_role
from avsync.datasets.splits import calibration_records, training_records
from avsync.errors import UsageError

SHARED = Path(environ.get("AVSYNC_SHARED", Path(__file__).parents[2] / "shared")) / "data"


def make(root: Path, *names: str) -> Path:
    """A folder with these files."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    return root


def table(root: Path, name: str, *lines: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return root


def told(records):
    return [(r.name, r.label, r.method, r.identity) for r in records]


class TestRealSpeech:
    @pytest.mark.parametrize(
        ("name", "files"),
        [
            ("librispeech", ("train-clean-100/103/1240/103-1240-0000.flac", "dev-other/84/1/84-1-0.flac")),
            ("librispeech", ("LibriSpeech/test-clean/103/1/a.flac", "LibriSpeech/test-clean/84/1/b.flac")),
            ("vctk", ("wav48_silence_trimmed/p103/p103_001_mic1.flac", "wav48_silence_trimmed/p84/p84_001_mic1.flac")),
            ("vctk", ("wav48/p103/p103_001.wav", "wav48/p84/p84_001.wav")),
            ("voxceleb_audio", ("wav/id103/video/00001.wav", "wav/id84/video/00001.wav")),
            ("voxceleb_audio", ("dev/aac/id103/video/00001.m4a", "dev/aac/id84/video/00001.m4a")),
            ("speech", ("s103/a.wav", "s84/b.mp3")),
            ("speech", ("s103/chapter/a.opus", "s84/chapter/b.FLAC")),
        ],
    )
    def test_layout_is_detected_and_the_speaker_read_from_it(self, tmp_path, name, files):
        root = make(tmp_path / "corpus", *files)
        records = open_dataset(root)
        assert records == open_dataset(root, name)
        assert sorted(record.path for record in records) == sorted(root / file for file in files)
        assert sorted(record.speaker.lstrip("ipds") for record in records) == ["103", "84"]
        assert all(record.identity == record.speaker for record in records)
        assert {(r.label, r.type, r.method, r.has_picture) for r in records} == {("real", REAL_SPEECH, "real", False)}

    def test_training_lists_them(self, tmp_path):
        root = make(tmp_path / "corpus", "ann/1.wav", "ann/2.wav", "bob/1.wav")
        assert [record.name for record in training_records(root)] == ["ann/1.wav", "ann/2.wav", "bob/1.wav"]
        assert [record.name for record in training_records(root, ["b*"])] == ["ann/1.wav", "ann/2.wav"]

    def test_second_microphone_of_vctk_is_left_out(self, tmp_path):
        folder = "wav48_silence_trimmed/p225"
        root = make(tmp_path, f"{folder}/p225_001_mic1.flac", f"{folder}/p225_001_mic2.flac", "txt/p225/p225_001.txt")
        assert [record.name for record in open_dataset(root)] == ["p225/p225_001_mic1.flac"]

    def test_part_of_librispeech_is_kept(self, tmp_path):
        root = make(tmp_path, "dev-clean/84/1/a.flac", "dev-clean/84/1/a.trans.txt")
        assert told(open_dataset(root)) == [("dev-clean/84/1/a.flac", "real", "real", "84")]

    def test_hidden_files_and_other_files_are_no_clips(self, tmp_path):
        root = make(tmp_path, "ann/1.wav", "ann/._1.wav", "ann/1.txt", ".trash/x/1.wav")
        assert [record.name for record in open_dataset(root)] == ["ann/1.wav"]

    @pytest.mark.parametrize(
        ("name", "folder", "found"),
        [
            ("librispeech", "train-clean-100/103", "no utterance train-clean-100/<speaker>/<chapter>/<utterance>.flac"),
            ("vctk", "wav48/p225", "no utterance wav48_silence_trimmed/<speaker>/<utterance>_mic1.flac"),
            ("voxceleb_audio", "dev/aac/id1", "no utterance dev/aac/<speaker>/<video>/<utterance>.m4a"),
        ],
    )
    def test_empty_tree_says_what_is_expected(self, tmp_path, name, folder, found):
        (tmp_path / folder).mkdir(parents=True)
        with pytest.raises(UsageError, match=found) as caught:
            open_dataset(tmp_path, name)
        assert "\n" not in str(caught.value)

    def test_voxceleb_with_pictures_stays_voxceleb2(self, tmp_path):
        root = make(tmp_path, "dev/mp4/id1/v/1.mp4", "dev/aac/id1/v/1.m4a")
        (record,) = open_dataset(root)
        assert record.has_picture
        assert record.audio == root / "dev/aac/id1/v/1.m4a"


class TestTrainingGuards:
    """Nothing learns from fakes, whatever layout a folder is taken for."""

    @pytest.mark.parametrize(
        "fake",
        [
            "fake/1.wav",
            "x/fake/1.wav",
            "generated_audio/1.wav",
            "ljspeech_melgan/1_gen.wav",
            "ASVspoof2019_LA_train/flac/LA_T_1.flac",
            "single_speaker/tacotron/1.wav",
            "release_in_the_wild/0.wav",
            "x/meta.csv",
            "meta.csv",
        ],
    )
    def test_name_of_a_set_with_fakes_in_the_tree_is_refused(self, tmp_path, fake):
        root = make(tmp_path / "corpus", "ann/1.wav", fake)
        with pytest.raises(UsageError, match="learns from real recordings only"):
            training_records(root)
        with pytest.raises(UsageError):
            calibration_records(root)

    def test_folder_beside_a_table_of_labels_is_refused(self, tmp_path):
        root = make(tmp_path, "clips/ann/1.wav", "meta.csv") / "clips"
        with pytest.raises(UsageError, match=r"a tree with fakes \(meta.csv\)"):
            training_records(root)

    @pytest.mark.parametrize("folder", ["ASVspoof2021_LA_eval", "TIMIT-TTS", "ljspeech_hifiGAN", "fake"])
    def test_folder_below_a_set_with_fakes_is_refused(self, tmp_path, folder):
        root = make(tmp_path / folder / "some", "ann/1.wav") if folder != "fake" else make(tmp_path / "fake", "a/1.wav")
        with pytest.raises(UsageError, match="real recordings only"):
            training_records(root)

    def test_folder_of_several_data_sets_is_no_speech_by_speaker(self, tmp_path):
        make(tmp_path, "real/ann/1.wav", "eval/clips/1.wav", "eval/meta.csv")
        with pytest.raises(UsageError, match=r"meta\.csv tells of fakes among what looks like speech by speaker"):
            open_dataset(tmp_path)


class TestASVspoof2019:
    @pytest.fixture
    def root(self, tmp_path):
        protocols = "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm"
        table(
            tmp_path,
            f"{protocols}.eval.trl.txt",
            "LA_0039 LA_E_2834763 - A11 spoof",
            "LA_0014 LA_E_8877452 - A18 spoof",
            "LA_0040 LA_E_6828287 - - bonafide",
        )
        table(tmp_path, f"{protocols}.train.trn.txt", "LA_0079 LA_T_1138215 - - bonafide")
        return make(tmp_path, "LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac", "LA/ASVspoof2019_LA_train/flac/x.flac")

    def test_evaluation_part_is_listed(self, root):
        records = open_dataset(root)
        assert told(records) == [
            ("ASVspoof2019_LA_eval/flac/LA_E_2834763.flac", "fake", "A11", "LA_0039"),
            ("ASVspoof2019_LA_eval/flac/LA_E_8877452.flac", "fake", "A18", "LA_0014"),
            ("ASVspoof2019_LA_eval/flac/LA_E_6828287.flac", "real", "real", "LA_0040"),
        ]
        assert [(r.kind, r.split, r.type) for r in records] == [
            ("tts", "eval", FAKE_SPEECH),
            ("vc", "eval", FAKE_SPEECH),
            ("", "eval", REAL_SPEECH),
        ]
        assert [r.path.exists() for r in records] == [True, False, False]
        assert open_dataset(root / "LA") == records

    def test_another_protocol_lists_another_part(self, root):
        protocol = root / "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt"
        (record,) = open_dataset(root, split=protocol)
        assert (record.split, record.label, record.speaker) == ("train", "real", "LA_0079")

    def test_real_clips_may_calibrate_and_none_may_train(self, root):
        assert {r.label for r in calibration_records(root)} <= {"real"}
        with pytest.raises(UsageError, match="real recordings only"):
            training_records(root)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("LA_0039 LA_E_1 - A11", "line 1: 4 columns instead of 5"),
            ("LA_0039 LA_E_1 - A11 fake", "line 1: not SPEAKER"),
            ("LA_0039 ../../LA_E_1 - A11 spoof", "line 1: not SPEAKER"),
            ("", "lists no trial"),
        ],
    )
    def test_mistake_in_a_protocol_is_named(self, root, line, message):
        table(root, "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.eval.trl.txt", line)
        with pytest.raises(UsageError, match=message):
            open_dataset(root)

    def test_missing_sound_or_protocol_is_told(self, root, tmp_path):
        (root / "LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac").unlink()
        (root / "LA/ASVspoof2019_LA_eval/flac").rmdir()
        with pytest.raises(UsageError, match="no ASVspoof2019_LA_eval/flac there; expected"):
            open_dataset(root)
        (root / "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.eval.trl.txt").unlink()
        with pytest.raises(UsageError, match="cannot be read as text"):
            open_dataset(root)


class TestASVspoof2021:
    LA = (
        "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval",
        "LA_0020 LA_E_1000001 opus loc_tx bonafide bonafide notrim eval",
        "LA_0021 LA_E_1000002 opus loc_tx - bonafide notrim progress",
    )
    DF = "LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim eval traditional_vocoder - - - -"

    @pytest.mark.parametrize("keys", ["keys/LA/CM", "LA-keys-full/keys/LA/CM", "keys/CM"])
    def test_phase_eval_of_la_is_listed(self, tmp_path, keys):
        make(tmp_path, "ASVspoof2021_LA_eval/flac/LA_E_9332881.flac")
        records = open_dataset(table(tmp_path, f"{keys}/trial_metadata.txt", *self.LA))
        assert told(records) == [
            ("ASVspoof2021_LA_eval/flac/LA_E_9332881.flac", "fake", "A07", "LA_0009"),
            ("ASVspoof2021_LA_eval/flac/LA_E_1000001.flac", "real", "real", "LA_0020"),
        ]
        assert records[0].path.is_file()
        everything = open_dataset(tmp_path, "asvspoof2021_la", tmp_path / keys / "trial_metadata.txt")
        assert [record.split for record in everything] == ["eval", "eval", "progress"]

    def test_df_may_be_in_parts(self, tmp_path):
        make(tmp_path, "ASVspoof2021_DF_eval_part00/ASVspoof2021_DF_eval/flac/DF_E_2000011.flac")
        make(tmp_path, "ASVspoof2021_DF_eval_part01/ASVspoof2021_DF_eval/flac/DF_E_2000012.flac")
        table(tmp_path, "keys/DF/CM/trial_metadata.txt", self.DF, self.DF.replace("2000011", "2000012"))
        records = open_dataset(tmp_path)
        assert [record.path.is_file() for record in records] == [True, True]
        assert {(record.method, record.kind) for record in records} == {("A14", "tts+vc")}

    def test_both_tracks_in_one_folder_must_be_named(self, tmp_path):
        make(tmp_path, "ASVspoof2021_LA_eval/flac/a.flac", "ASVspoof2021_DF_eval/flac/a.flac")
        with pytest.raises(UsageError, match="name the data set: asvspoof2021_la or asvspoof2021_df"):
            open_dataset(tmp_path)

    def test_missing_keys_are_told(self, tmp_path):
        make(tmp_path, "ASVspoof2021_LA_eval/flac/a.flac")
        with pytest.raises(UsageError, match=r"the keys are not there; expected keys/LA/CM/trial_metadata.txt"):
            open_dataset(tmp_path)

    def test_keys_of_the_other_track_are_a_mistake(self, tmp_path):
        make(tmp_path, "ASVspoof2021_LA_eval/flac/a.flac")
        with pytest.raises(UsageError, match="line 1: not SPEAKER LA_E_NUMBER"):
            open_dataset(table(tmp_path, "keys/CM/trial_metadata.txt", self.DF))


class TestInTheWild:
    @pytest.mark.parametrize("folder", ["", "release_in_the_wild"])
    def test_table_is_read(self, tmp_path, folder):
        table(
            tmp_path / folder,
            "meta.csv",
            "file,speaker,label",
            "0.wav,Alec Guinness,spoof",
            "1.wav,Alec Guinness,bona-fide",
        )
        make(tmp_path / folder, "1.wav")
        records = open_dataset(tmp_path)
        assert told(records) == [
            ("0.wav", "fake", "unknown", "Alec Guinness"),
            ("1.wav", "real", "real", "Alec Guinness"),
        ]
        assert records[1].path.is_file()

    def test_unknown_label_is_named(self, tmp_path):
        with pytest.raises(UsageError, match=r"meta\.csv line 2: unknown label 'maybe'; known: bona-fide, spoof"):
            open_dataset(table(tmp_path, "meta.csv", "file,speaker,label", "0.wav,Alec,maybe"))


class TestWaveFake:
    FILES = (
        "generated_audio/ljspeech_melgan/LJ001-0001_gen.wav",
        "generated_audio/ljspeech_hifiGAN/LJ001-0001_generated.wav",
        "generated_audio/ljspeech_waveglow/LJ050-0278.wav",
        "LJSpeech-1.1/wavs/LJ001-0001.wav",
    )

    def test_vocoders_stand_beside_the_speech_they_rebuilt(self, tmp_path):
        records = open_dataset(make(tmp_path, *self.FILES))
        assert told(records) == [
            ("LJSpeech-1.1/wavs/LJ001-0001.wav", "real", "real", "LJ001"),
            ("ljspeech_hifiGAN/LJ001-0001_generated.wav", "fake", "hifiGAN", "LJ001"),
            ("ljspeech_melgan/LJ001-0001_gen.wav", "fake", "melgan", "LJ001"),
            ("ljspeech_waveglow/LJ050-0278.wav", "fake", "waveglow", "LJ050"),
        ]
        assert [record.pair for record in records] == ["LJ001-0001"] * 3 + ["LJ050-0278"]
        assert {(record.page, record.speaker) for record in records} == {("ljspeech", "ljspeech")}
        assert [record.kind for record in records] == ["", "vocoder", "vocoder", "vocoder"]

    def test_folder_of_vocoders_with_the_speech_beside_it(self, tmp_path):
        root = make(tmp_path, *self.FILES)
        assert open_dataset(root / "generated_audio") == open_dataset(root)

    def test_japanese_is_a_page_of_its_own(self, tmp_path):
        root = make(tmp_path, *self.FILES, "generated_audio/jsut_parallel_wavegan/BASIC5000_0001_gen.wav")
        with pytest.raises(UsageError, match=r"the real speech jsut_ver1\.1/basic5000/wav is neither there nor beside"):
            open_dataset(root)
        make(tmp_path, "jsut_ver1.1/basic5000/wav/BASIC5000_0001.wav")
        japanese = [record for record in open_dataset(root) if record.page == "jsut"]
        assert [(record.label, record.pair) for record in japanese] == [
            ("real", "BASIC5000_0001"),
            ("fake", "BASIC5000_0001"),
        ]

    def test_new_sentences_are_text_to_speech_without_a_pair(self, tmp_path):
        folder = "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
        root = make(tmp_path, *self.FILES, f"generated_audio/{folder}/gen_0.wav")
        (record,) = [record for record in open_dataset(root) if record.kind == "tts"]
        assert (record.method, record.pair, record.page) == ("fastspeech2_pwg", "", "ljspeech")


class TestFakeOrReal:
    def test_testing_part_is_listed(self, tmp_path):
        names = ("testing/real/file1.wav", "testing/fake/file2.wav", "training/real/file3.wav", "training/fake/f.wav")
        for depth in ("", "for-norm/", "for-norm/for-norm/"):
            root = make(tmp_path / f"root{len(depth)}", *(f"{depth}{name}" for name in names))
            records = open_dataset(root)
            assert told(records) == [
                ("testing/real/file1.wav", "real", "real", "file1"),
                ("testing/fake/file2.wav", "fake", "unknown", "file2"),
            ]
            assert all(record.path.is_file() for record in records)
            assert [r.name for r in open_dataset(root / depth / "training")] == [
                "training/real/file3.wav",
                "training/fake/f.wav",
            ]

    def test_several_versions_are_asked_about(self, tmp_path):
        for version in ("for-norm", "for-2sec"):
            make(tmp_path, f"{version}/testing/real/1.wav", f"{version}/testing/fake/2.wav")
        with pytest.raises(
            UsageError, match=r"give the folder of one version; .* found for-2sec/testing, for-norm/test"
        ):
            open_dataset(tmp_path)


class TestTimitTTS:
    FILES = (
        "TIMIT-TTS/CLEAN/single_speaker/gtts/fadg0_sa1.wav",
        "TIMIT-TTS/CLEAN/multi_speaker/vits/p225/fadg0_sa1.wav",
        "TIMIT-TTS/DTW/single_speaker/gtts/fadg0_sa1.wav",
        "VidTIMIT/fadg0/audio/sa1.wav",
    )

    def test_clean_clips_stand_beside_vidtimit(self, tmp_path):
        root = make(tmp_path, *self.FILES)
        records = open_dataset(root)
        assert told(records) == [
            ("VidTIMIT/fadg0/audio/sa1.wav", "real", "real", "fadg0"),
            ("CLEAN/single_speaker/gtts/fadg0_sa1.wav", "fake", "gtts (single)", "fadg0_sa1"),
            ("CLEAN/multi_speaker/vits/p225/fadg0_sa1.wav", "fake", "vits (multi)", "fadg0_sa1"),
        ]
        assert {record.kind for record in records} == {"", "tts"}
        assert open_dataset(root / "TIMIT-TTS") == open_dataset(root / "TIMIT-TTS/CLEAN") == records

    def test_another_version_is_given_as_the_folder(self, tmp_path):
        names = [record.name for record in open_dataset(make(tmp_path, *self.FILES) / "TIMIT-TTS/DTW")]
        assert names == ["VidTIMIT/fadg0/audio/sa1.wav", "DTW/single_speaker/gtts/fadg0_sa1.wav"]

    def test_missing_vidtimit_is_told(self, tmp_path):
        with pytest.raises(UsageError, match="no VidTIMIT there, nor in the two folders above"):
            open_dataset(make(tmp_path, *self.FILES[:3]))


class TestManifest:
    HEADER = "path,label,system,kind,page,group,pair,seconds"

    def test_row_becomes_record(self, tmp_path):
        lines = (
            "a.flac,fake,VITS,tts,page1,g1,,4.0",
            "b.flac,real,,,page1,g2,p1,3.0",
            "c.flac,FAKE,,codec,page1,,p1,3",
        )
        make(table(tmp_path, "meta.csv", self.HEADER, *lines), "clips/a.flac")
        fake, real, unknown = open_dataset(tmp_path)
        assert fake.path == tmp_path / "clips/a.flac"
        assert (fake.name, fake.label, fake.method, fake.identity, fake.kind, fake.page, fake.pair) == (
            *("a.flac", "fake", "VITS", "g1", "tts", "page1", ""),
        )
        assert (real.label, real.method, real.kind, real.page, real.pair) == ("real", "real", "", "page1", "p1")
        assert (unknown.method, unknown.identity) == ("unknown", "c.flac")

    def test_two_columns_and_a_table_by_any_name_are_enough(self, tmp_path):
        make(table(tmp_path, "mine.csv", "label,path", "real,x/a.wav"), "x/a.wav")
        (record,) = open_dataset(tmp_path / "mine.csv")
        assert (record.path, record.label, record.identity) == (tmp_path / "x/a.wav", "real", "x/a.wav")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("a.wav", "line 2: 1 columns instead of 8"),
            ("a.wav,bonafide,,,,,,", "line 2: unknown label 'bonafide'; known: real, fake"),
            ("../a.wav,real,,,,,,", "line 2: .* is not a path below"),
            ("/etc/a.wav,real,,,,,,", "line 2: .* is not a path below"),
            ("", "lists no clip"),
        ],
    )
    def test_mistake_is_named(self, tmp_path, line, message):
        with pytest.raises(UsageError, match=message):
            open_dataset(table(tmp_path, "meta.csv", self.HEADER, line))

    def test_table_of_something_else_is_no_manifest(self, tmp_path):
        with pytest.raises(UsageError, match="no known data set there"):
            open_dataset(table(tmp_path, "meta.csv", "file,text", "a,b"))
        with pytest.raises(UsageError, match=r"no table of clips tree there; expected meta\.csv \(path,label"):
            open_dataset(tmp_path, "manifest")

    def test_the_group_decides_the_role(self, tmp_path):
        lines = [f"{number}.wav,real,,,,g{number},,1" for number in range(40)]
        records = open_dataset(table(tmp_path, "meta.csv", self.HEADER, *lines))
        assert with_role(records, "report") == [r for r in records if role(r.identity) == "report"]
        assert 0 < len(with_role(records, "report")) < 40

    @pytest.mark.skipif(not (SHARED / "speech_eval").is_dir(), reason="the shared clips are not here")
    def test_real_copy(self):
        records = open_dataset(SHARED / "speech_eval")
        assert all(record.path.is_file() and record.page for record in records)
        assert {record.kind for record in records if record.label == "fake"} == {"tts", "vc", "vocoder", "codec"}


def test_every_data_set_of_fakes_is_known_by_a_name():
    """What `training_records` goes by: a set whose name is missing here could be taken for speech by speaker."""
    real_only = {"voxceleb2", "librispeech", "vctk", "voxceleb_audio", "speech"}
    assert {name for name, one in DATASETS.items() if not one.fake_folders | one.mixed} == real_only
