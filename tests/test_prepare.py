"""Which clips are trained on, and how they are prepared, once."""

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from avsync.datasets import prepare as prepare_module
from avsync.datasets import voxceleb2
from avsync.datasets.prepare import prepare
from avsync.datasets.splits import refuse_fakes, split_by_speaker, training_records
from avsync.demo import make_clips
from avsync.errors import Reason, UsageError
from avsync.media import write_clip

SECONDS = 2


@pytest.fixture(scope="module")
def demo_clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("demo"), seconds=SECONDS)


def add(root, speaker, source=None, kind="mp4", suffix=".mp4"):
    """One clip of a VoxCeleb2 tree: a copy of `source`, or an empty file."""
    path = root / "dev" / kind / speaker / "video" / f"00001{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if source:
        shutil.copy(source, path)
    else:
        path.touch()
    return path


@pytest.fixture
def tree(tmp_path, demo_clips):
    """Two speakers, a clip each."""
    for speaker, clip in zip(("ann", "bob"), demo_clips, strict=True):
        add(tmp_path / "tree", speaker, clip)
    return tmp_path / "tree"


@pytest.fixture
def never_again(monkeypatch):
    """From now on, whatever has to be worked out anew fails the test."""

    def forbid():
        monkeypatch.setattr(prepare_module, "_arrays", lambda record: pytest.fail(f"{record.name} prepared again"))

    return forbid


class TestPrepare:
    def test_keeps_the_whole_clip_with_its_silence(self, tree, tmp_path):
        (clip, _), refused = prepare(voxceleb2.records(tree), tmp_path / "cache")
        frames = SECONDS * 25
        assert not refused
        assert clip.frames() == frames
        arrays = {name: clip.read(name) for name in ("mouth", "landmarks", "mel", "speech")}
        assert {name: (a.shape, a.dtype.name) for name, a in arrays.items()} == {
            "mouth": ((frames, 96, 96), "uint8"),
            "landmarks": ((frames, 68, 2), "float32"),
            "mel": ((4 * frames, 40), "float32"),
            "speech": ((frames,), "float32"),
        }
        assert arrays["speech"][0] < 0.5 < arrays["speech"][frames // 2]
        np.testing.assert_array_equal(clip.read("mouth", 10, 20), arrays["mouth"][10:20])

    def test_goes_by_content_and_does_nothing_twice(self, tree, tmp_path, never_again):
        first, _ = prepare(voxceleb2.records(tree), tmp_path / "cache")
        never_again()
        (tree / "dev/mp4/ann").rename(tree / "dev/mp4/cid")
        again, _ = prepare(voxceleb2.records(tree), tmp_path / "cache")
        assert {clip.path for clip in again} == {clip.path for clip in first}
        assert [clip.record.speaker for clip in again] == ["bob", "cid"]

    def test_makes_a_damaged_entry_anew(self, tree, tmp_path):
        (clip, _), _ = prepare(voxceleb2.records(tree), tmp_path / "cache")
        whole = clip.path.read_bytes()
        clip.path.write_bytes(whole[:1000])
        prepare(voxceleb2.records(tree), tmp_path / "cache")
        assert clip.path.read_bytes() == whole

    def test_a_kill_leaves_no_half_entry(self, tree, tmp_path, monkeypatch):
        def killed(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("pathlib.Path.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(voxceleb2.records(tree), tmp_path / "cache")
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]

    def test_a_clip_that_cannot_be_used_is_left_out_and_said(
        self, tree, tmp_path, demo_clips, flash_and_click, caplog, never_again
    ):
        add(tree, "text").write_text("not a video")
        flash_and_click(add(tree, "click"))
        rng = np.random.default_rng(0)
        mute = add(tree, "mute")
        write_clip(mute, rng.integers(0, 255, (30, 64, 64), np.uint8), np.zeros(16_000, np.float32))
        with caplog.at_level(logging.INFO):
            clips, refused = prepare(voxceleb2.records(tree), tmp_path / "cache")
        assert len(clips) == 2
        assert {r.record.speaker: r.reason for r in refused} == {
            "text": Reason.UNREADABLE,
            "click": Reason.NO_SPEECH,
            "mute": Reason.NO_SPEECH,
        }
        assert "text/video/00001.mp4: left out, unreadable" in caplog.text
        assert "2 clips prepared, 3 left out (2 no_speech, 1 unreadable)" in caplog.text
        never_again()
        assert prepare(voxceleb2.records(tree), tmp_path / "cache") == (clips, refused)

    def test_speech_without_a_face_is_left_out(self, tmp_path, demo_clips):
        dark = tmp_path / "dark.mp4"
        write_clip(dark, np.zeros((50, 64, 64), np.uint8), None)
        add(tmp_path / "tree", "ann", dark)
        add(tmp_path / "tree", "ann", demo_clips[0], kind="aac", suffix=".m4a")
        _, (refused,) = prepare(voxceleb2.records(tmp_path / "tree"), tmp_path / "cache")
        assert refused.reason is Reason.NO_FACE

    def test_sound_beside_the_pictures_is_what_counts(self, tree, tmp_path, demo_clips):
        add(tree, "ann", demo_clips[1], kind="aac", suffix=".m4a")  # bob's sound
        (ann, bob), _ = prepare(voxceleb2.records(tree), tmp_path / "cache")
        assert ann.path != bob.path
        np.testing.assert_array_equal(ann.read("mel"), bob.read("mel"))

    def test_several_processes_prepare_the_same(self, tree, tmp_path):
        add(tree, "text").write_text("not a video")
        alone, _ = prepare(voxceleb2.records(tree), tmp_path / "one")
        together, (refused,) = prepare(voxceleb2.records(tree), tmp_path / "two", workers=2)
        assert refused.reason is Reason.UNREADABLE
        assert [clip.path.read_bytes() for clip in together] == [clip.path.read_bytes() for clip in alone]


class TestTrainingRecords:
    @pytest.fixture
    def root(self, tmp_path):
        for speaker in ("ann", "bob", "lab_1", "lab_2"):
            add(tmp_path, speaker)
        return tmp_path

    def test_leaves_out_the_speakers_that_are_excluded(self, root):
        assert [r.speaker for r in training_records(root, ["lab_*"])] == ["ann", "bob"]

    def test_a_glob_that_excludes_nobody_is_an_error(self, root):
        with pytest.raises(UsageError, match=r"data\.exclude: 'lap_\*' names no speaker"):
            training_records(root, ["lap_*"])

    def test_nobody_left_is_an_error(self, root):
        with pytest.raises(UsageError, match="no clip is left"):
            training_records(root, ["*"])

    def test_a_fake_in_the_manifest_is_refused(self, root):
        records = training_records(root)
        with pytest.raises(UsageError, match=r"bob/video/00001\.mp4 is a fake"):
            refuse_fakes([records[0], replace(records[1], label="fake")])

    @pytest.mark.parametrize("inner", ["FakeVideo-RealAudio", "FakeAVCeleb_v1.2/RealVideo-FakeAudio"])
    def test_a_tree_of_fakes_is_refused(self, root, inner):
        (root / inner).mkdir(parents=True)
        with pytest.raises(UsageError, match="a tree with fakes"):
            training_records(root)

    def test_fakes_linked_into_a_tree_are_refused(self, root, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("other") / "FakeVideo-FakeAudio"
        (elsewhere / "video").mkdir(parents=True)
        (elsewhere / "video" / "1.mp4").touch()
        (root / "dev/mp4/cid").symlink_to(elsewhere, target_is_directory=True)
        with pytest.raises(UsageError, match="is a fake"):
            training_records(root)


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

    def test_is_the_same_for_the_same_seed(self, records):
        first, again, other = (split_by_speaker(records, [], 0.1, seed)[1] for seed in (0, 0, 1))
        assert first == again != other

    def test_speakers_can_be_named(self, records):
        _, validation = split_by_speaker(records, ["small1*"], 0.01, seed=0)
        assert {r.speaker for r in validation} == {"small1", *(f"small{i}" for i in range(10, 20))}

    @pytest.mark.parametrize(("validation", "share"), [(["nobody"], 0.1), (["*"], 0.1), ([], 0.001)])
    def test_one_side_empty_is_an_error(self, records, validation, share):
        with pytest.raises(UsageError, match=r"data\.validation"):
            split_by_speaker(records, validation, share, seed=0)
