"""avsync.features.extract: features are made once, whatever happens to the run or to the names of the files."""

import logging
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from talking import face, voice, write

from avsync.align import TAU
from avsync.datasets.record import ClipRecord
from avsync.encoders.registry import Backbone, load_backbone
from avsync.errors import Reason, UsageError
from avsync.face import load_face_detector
from avsync.features import FeatureStore, encode_recording
from avsync.features import extract as extract_module
from avsync.features.decode import Decoder, HashJob
from avsync.features.extract import extract
from avsync.recording import open_recording

MOUTH = load_backbone("mouth+mel")
FACES = load_face_detector().key


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two talking faces of 2 s, and a picture with sound that is not speech."""
    folder = tmp_path_factory.mktemp("clips")
    write(folder / "ann.mp4", face(2.0, 1), voice(2.0, 1))
    write(folder / "bob.mp4", face(2.0, 2), voice(2.0, 2))
    write(folder / "mute.mp4", face(2.0, 1)[:30], np.zeros(19_200, np.float32))
    return folder


def record(path, audio=None):
    return ClipRecord(path, path.name, "real", "RealVideo-RealAudio", "real", path.name, path.name, audio)


@pytest.fixture
def folder(clips, tmp_path):
    """A data set of its own for each test: the clips, a copy of one, a text file and a file that is not there."""
    shutil.copytree(clips, tmp_path / "set")
    shutil.copy(clips / "ann.mp4", tmp_path / "set" / "copy.mp4")
    (tmp_path / "set" / "text.mp4").write_text("no video")
    return tmp_path / "set"


@pytest.fixture
def records(folder):
    names = ("ann.mp4", "text.mp4", "copy.mp4", "bob.mp4", "mute.mp4", "missing.mp4")
    return [record(folder / name) for name in names]


@pytest.fixture
def store(tmp_path):
    """Opens the store anew."""

    def opened(backbone=MOUTH, root=tmp_path / "cache", **settings):
        return FeatureStore(root, backbone.key, "default", FACES, **settings)

    return opened


@pytest.fixture
def never_again(monkeypatch):
    """From now on, decoding fails the test; hashing too, unless it is allowed."""

    def forbid(*, hashing=False):
        does = Decoder.__call__

        def refuse(self, job, tell):
            if hashing and isinstance(job, HashJob):
                return does(self, job, tell)
            return pytest.fail(f"done again: {job}")

        monkeypatch.setattr(Decoder, "__call__", refuse)

    return forbid


class TestExtract:
    def test_makes_features_of_what_it_can_and_says_what_it_leaves_out(self, records, store, caplog):
        steps = []
        with caplog.at_level(logging.INFO):
            kept = extract(records, MOUTH, store(), on_progress=lambda *step: steps.append(step))
        assert [record.name for record, _ in kept] == ["ann.mp4", "copy.mp4", "bob.mp4"]
        assert steps == [(done, 6) for done in range(7)]
        for said in (
            "text.mp4: left out, unreadable: ",
            "mute.mp4: left out, no_speech: no speech is heard",
            "missing.mp4: left out, unreadable: missing.mp4 cannot be read (No such file or directory)",
            "3 clips with features, 3 left out (2 unreadable, 1 no_speech)",
        ):
            assert said in caplog.text

    def test_the_same_content_is_made_once(self, records, store, monkeypatch):
        encoded = []
        encode = Backbone.encode
        monkeypatch.setattr(Backbone, "encode", lambda self, some: encoded.extend(some) or encode(self, some))
        (_, one), (_, copy) = extract([records[0], records[2]], MOUTH, store())
        assert one == copy
        assert len(encoded) == 1

    @pytest.mark.parametrize(("device", "batches"), [("cpu", [1, 1]), ("cuda:1", [2])])
    def test_clips_are_encoded_together_on_a_gpu_alone(self, records, store, monkeypatch, device, batches):
        sizes = []
        encode = Backbone.encode
        monkeypatch.setattr(Backbone, "encode", lambda self, some: sizes.append(len(some)) or encode(self, some))
        extract([records[0], records[3]], replace(MOUTH, device=torch.device(device)), store())
        assert sizes == batches

    def test_nothing_is_read_or_made_again_and_refusals_are_kept(self, records, store, never_again, caplog):
        kept = extract(records[:5], MOUTH, store())
        never_again()
        caplog.clear()
        steps = []
        assert extract(records[:5], MOUTH, store(), on_progress=lambda *step: steps.append(step)) == kept
        assert steps[-1] == (5, 5)
        assert "mute.mp4: left out, no_speech" in caplog.text
        assert "text.mp4: left out, unreadable" in caplog.text

    @pytest.mark.parametrize("damage", ["torn", "arrays", "gone"])
    def test_damaged_features_are_made_again(self, records, store, damage, caplog):
        kept = extract(records[:1], MOUTH, store())
        ((_, key),) = kept
        (before,) = store().read(key)
        (shard,) = store().folder.glob("*.safetensors")
        content = shard.read_bytes()
        if damage == "gone":
            shard.unlink()
        else:
            shard.write_bytes(content[:200] if damage == "torn" else content[:-500] + bytes(500))
        assert extract(records[:1], MOUTH, store()) == kept
        assert ("made again" in caplog.text) == (damage != "gone")
        (after,) = store().read(key)
        assert torch.equal(after.lip_features, before.lip_features)
        assert torch.equal(after.speech_share, before.speech_share)

    def test_a_moved_file_keeps_its_features(self, folder, store, never_again):
        ((_, key),) = extract([record(folder / "ann.mp4")], MOUTH, store())
        never_again(hashing=True)
        moved = (folder / "ann.mp4").rename(folder / "cid.mp4")
        ((_, again),) = extract([record(moved)], MOUTH, store())
        assert again == key

    def test_a_changed_file_is_made_again(self, folder, store):
        ((_, key),) = extract([record(folder / "ann.mp4")], MOUTH, store())
        shutil.copy(folder / "bob.mp4", folder / "ann.mp4")
        os.utime(folder / "ann.mp4", ns=(1, 1))
        ((changed, other),) = extract([record(folder / "ann.mp4")], MOUTH, store())
        assert other != key
        assert store().longest(changed, other).frames()

    def test_sound_beside_the_video_is_part_of_the_content(self, folder, store):
        own, dubbed = (record(folder / "ann.mp4", audio) for audio in (None, folder / "bob.mp4"))
        clips = [store().longest(*kept) for kept in extract([own, dubbed], MOUTH, store())]
        np.testing.assert_array_equal(*(clip.read("lips", 20, 22) for clip in clips))
        assert not np.array_equal(*(clip.read("speech", 20, 22) for clip in clips))

    def test_killed_and_started_again_it_makes_only_what_is_missing(self, records, store, monkeypatch):
        made = []
        decode = Decoder._decoded

        def decoded(self, job):
            made.append(job.record.name)
            if len(made) == 2:
                raise KeyboardInterrupt
            yield from decode(self, job)

        monkeypatch.setattr(Decoder, "_decoded", decoded)
        with pytest.raises(KeyboardInterrupt):
            extract(records, MOUTH, store())
        assert extract(records, MOUTH, store())
        assert made == ["ann.mp4", "text.mp4", "text.mp4", "bob.mp4", "mute.mp4"]

    def test_a_kill_while_a_shard_is_written_leaves_no_half_shard(self, records, store, monkeypatch):
        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.replace", killed)
            with pytest.raises(KeyboardInterrupt):
                extract(records[:1], MOUTH, store())
        assert not list(store().folder.glob("*"))
        assert extract(records[:1], MOUTH, store())

    def test_several_processes_make_the_same(self, records, store, tmp_path):
        one, two = store(), store(root=tmp_path / "two")
        kept = extract(records, MOUTH, one)
        assert extract(records, MOUTH, two, workers=2) == kept
        for _, key in kept:
            for mine, other in zip(one.read(key), two.read(key), strict=True):
                assert torch.equal(mine.lip_features, other.lip_features)
                assert torch.equal(mine.speech_features, other.speech_features)
        assert one.refusal(extract_key(records[4], one)) == two.refusal(extract_key(records[4], two))

    def test_a_store_of_something_else_is_refused(self, records, store):
        with pytest.raises(ValueError, match="the store holds features of"):
            extract(records, replace(MOUTH, lips=MOUTH.speech), store())


def extract_key(row, store):
    """The key of a clip's content."""
    found = extract_module.HashCache(store.root / extract_module.HASHES).get(row.path)
    return found.sha256


class TestFeatures:
    def test_of_whole_clips_have_the_silence_around_the_speech(self, records, store):
        whole, spoken = store(whole=True), store()
        ((row, key),) = extract(records[:1], MOUTH, whole)
        extract(records[:1], MOUTH, spoken)
        clip, part = whole.longest(row, key), spoken.longest(row, key)
        assert clip.frames() == 50 > part.frames()
        arrays = {name: clip.read(name) for name in ("lips", "landmarks", "speech", "speech_share")}
        assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
            "lips": ((50, 96, 96), "uint8"),
            "landmarks": ((50, 68, 2), "float32"),
            "speech": ((50, 160), "float32"),
            "speech_share": ((50,), "float32"),
        }
        assert arrays["speech_share"][0] < 0.5 < arrays["speech_share"].max()

    def test_in_the_store_are_what_scoring_would_make_as_float16(self, records, store):
        backbone = load_backbone("temporal")
        stored_ = store(backbone)
        ((row, key),) = extract(records[:1], backbone, stored_)
        (kept,) = stored_.read(key)
        (made,) = encode_recording(open_recording(row.path), backbone)
        assert (kept.track, kept.start, kept.core) == (made.track, made.start, made.core)
        assert len(made.lip_features) <= made.core.stop - made.core.start + 2 * TAU
        assert kept.lip_features.dtype == torch.float16
        assert torch.equal(kept.lip_features, made.lip_features.half())
        assert torch.equal(kept.landmarks, made.landmarks)
        assert torch.equal(kept.speech_share, made.speech_share)


class TestRecall:
    def test_spares_decoding_the_sound_and_finding_speech(self, records, store, monkeypatch):
        extract(records, MOUTH, store())
        before = open_recording(records[0].path).activity
        monkeypatch.setattr("avsync.recording.speech_activity", lambda *_: pytest.fail("speech is looked for again"))
        recording = open_recording(records[0].path)
        assert store().recall(recording)
        np.testing.assert_array_equal(recording.activity.segments, before.segments)
        assert (recording.activity.duration, recording.activity.leading_silence) == (
            before.duration,
            before.leading_silence,
        )

    def test_brings_back_the_warnings(self, folder, store):
        cut = folder / "cut.mp4"
        write(cut, face(2.0, 1), voice(2.0, 1), container={"movflags": "+faststart"})
        cut.write_bytes(cut.read_bytes()[:-40_000])
        extract([record(cut)], MOUTH, store())
        recording = open_recording(cut)
        assert store().recall(recording)
        assert recording.warnings == ["audio truncated: ends at 1.5 s of 2.0 s"]

    def test_knows_that_nobody_speaks(self, records, store):
        extract(records, MOUTH, store())
        recording = open_recording(records[4].path)
        assert store().recall(recording)
        assert len(recording.activity.segments) == 0

    def test_says_no_of_content_that_is_not_there(self, records, store):
        recording = open_recording(records[0].path)
        assert not store().recall(recording)
        assert recording.known_activity is None


def test_refused_files_are_refused_with_the_words_of_recording(records, store):
    stored_ = store()
    extract(records, MOUTH, stored_)
    assert stored_.refusal(extract_key(records[4], stored_)) == (Reason.NO_SPEECH, "no speech is heard")


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "1/2/3"])
def test_a_part_that_does_not_exist_is_a_usage_error(shard):
    from avsync.cli.extract import _part

    with pytest.raises(UsageError, match="such as 1/8"):
        _part([], shard)


def test_parts_are_disjoint_and_together_everything(records):
    from avsync.cli.extract import _part

    parts = [_part(records, f"{number}/4") for number in range(1, 5)]
    assert sorted(row.name for part in parts for row in part) == sorted(row.name for row in records)
