"""Features of files: chunks in bounded memory, a store on disk, hashes that are remembered, and worker processes."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from avsync.clip import SAMPLES, FaceClip
from avsync.errors import AvsyncError, CannotJudge, Reason, UsageError
from avsync.face import align_faces
from avsync.features import Features, FeatureStore, StoredClip, StoreWriter
from avsync.features import hashes as hashes_module
from avsync.features.chunks import CHUNK_SECONDS, CONTEXT, with_context
from avsync.features.hashes import HashCache, hash_file
from avsync.features.shard import checksum
from avsync.media import FPS
from avsync.speech import SpeechActivity
from avsync.workers import run_jobs


def piece(frames, start, track=0):
    """A clip whose sound and speech share say which frame of the file they belong to."""
    number = np.arange(frames) + round(start * FPS)
    points = np.random.default_rng(0).uniform(0, 192, (frames, 68, 2)).astype(np.float32)
    return FaceClip(
        track,
        start,
        np.zeros((frames, 1, 1), np.uint8),
        points,
        np.tile([0, 0, 100], (frames, 1)),
        align_faces(points),
        np.repeat(number, SAMPLES).astype(np.float32),
        number.astype(np.float32),
    )


class TestChunks:
    @given(st.lists(st.integers(1, 1150), min_size=1, max_size=5))
    @settings(deadline=None, max_examples=25)
    def test_cores_cover_a_track_once_and_have_its_neighbours_around_them(self, lengths):
        starts = np.cumsum([0, *lengths[:-1]]) / FPS
        chunks = list(with_context(piece(n, start) for n, start in zip(lengths, starts, strict=True)))
        frames = [chunk.clip.speech_share for chunk in chunks]
        cores = np.concatenate([share[chunk.core] for share, chunk in zip(frames, chunks, strict=True)])
        np.testing.assert_array_equal(cores, np.arange(sum(lengths)))
        for chunk, share in zip(chunks, frames, strict=True):
            np.testing.assert_array_equal(share, np.arange(share[0], share[-1] + 1))
            assert len(chunk.clip.waveform) == SAMPLES * len(chunk.clip)
            assert len(chunk.clip) <= CHUNK_SECONDS * FPS

    def test_context_is_two_seconds(self):
        chunks = list(with_context(piece(1150, start) for start in (0, 46, 92)))
        assert [(c.core.start, len(c.clip) - c.core.stop) for c in chunks] == [
            (0, CONTEXT),
            (CONTEXT, CONTEXT),
            (CONTEXT, 0),
        ]

    def test_a_gap_ends_the_context(self):
        chunks = list(with_context([piece(100, 0), piece(100, 5)]))
        assert [len(chunk.clip) for chunk in chunks] == [100, 100]

    def test_tracks_do_not_mix_and_do_not_wait_for_the_end_of_the_file(self):
        drawn = 0

        def counted():
            nonlocal drawn
            for track in range(200):
                drawn += 1
                yield piece(100, start=4.0 * track, track=track)

        for done, chunk in enumerate(with_context(counted())):
            assert chunk.clip.track == done
            assert drawn - done <= 4


def features(frames=60, dim=8, seed=0, **changes):
    rng = torch.Generator().manual_seed(seed)
    made = Features(
        track=3,
        start=1.2,
        box=np.array([1.0, 2.0, 101.0, 102.0]),
        landmarks=100 * torch.rand(frames, 68, 2, generator=rng),
        lip_features=torch.randn(frames, dim, generator=rng).half(),
        speech_features=torch.randn(frames, dim, generator=rng).half(),
        speech_share=torch.rand(frames, generator=rng),
        core=slice(5, frames - 5),
    )
    return replace(made, **changes)


ACTIVITY = SpeechActivity(np.array([[0.1, 1.3], [2.0, 2.9]]), 3.1, 0.02)
FIELDS = ("landmarks", "lip_features", "speech_features", "speech_share")


@pytest.fixture
def store(tmp_path):
    """Opens the store of some settings anew."""

    def opened(backbone="backbone", trim="default", faces="dlib-68/1", **settings):
        return FeatureStore(tmp_path, backbone, trim, faces, **settings)

    return opened


@pytest.fixture
def filled(store):
    """A store with one file of one chunk."""
    with StoreWriter(store()) as writer:
        writer.add("key", features())
        writer.finish("key", ACTIVITY, ["sound is damaged at 1.0 s"])
    return store()


class TestStore:
    def test_gives_back_what_it_was_given_bit_by_bit(self, store):
        crops = torch.randint(0, 256, (60, 96, 96), dtype=torch.uint8)
        given_ = [features(seed=1), features(seed=2, lip_features=crops, speech_features=torch.randn(60, 160))]
        with StoreWriter(store()) as writer:
            for each in given_:
                writer.add("key", each)
            writer.finish("key", ACTIVITY)
        for each, read in zip(given_, store().read("key"), strict=True):
            assert (read.track, read.start, read.core) == (each.track, each.start, each.core)
            np.testing.assert_array_equal(read.box, each.box)
            for name in FIELDS:
                assert getattr(read, name).dtype == getattr(each, name).dtype
                assert torch.equal(getattr(read, name), getattr(each, name))

    def test_knows_where_somebody_speaks_and_what_was_damaged(self, filled):
        activity = filled.activity("key")
        np.testing.assert_array_equal(activity.segments, ACTIVITY.segments)
        assert (activity.duration, activity.leading_silence) == (3.1, 0.02)
        assert filled.warnings("key") == ["sound is damaged at 1.0 s"]

    def test_knows_nothing_of_other_files(self, filled):
        assert "other" not in filled
        assert filled.activity("other") is None
        assert filled.warnings("other") == []

    def test_a_file_counts_when_it_is_finished(self, store):
        with StoreWriter(store()) as writer:
            writer.add("whole", features())
            writer.finish("whole", ACTIVITY)
            writer.add("half", features())
        assert "whole" in store()
        assert "half" not in store()

    def test_chunks_of_several_files_may_come_in_turns_and_fill_several_shards(self, store):
        with StoreWriter(store(), shard_bytes=100_000) as writer:
            for seed in range(4):
                for key in ("one", "two"):
                    writer.add(key, features(seed=seed))
            writer.finish("one", ACTIVITY)
            writer.finish("two", ACTIVITY)
        assert len(list(store().folder.glob("*.safetensors"))) > 2
        for key in ("one", "two"):
            for seed, read in enumerate(store().read(key)):
                assert torch.equal(read.lip_features, features(seed=seed).lip_features)

    def test_of_a_file_that_was_made_twice_the_last_features_count(self, store):
        for seed in range(5):
            with StoreWriter(store()) as writer:
                writer.add("key", features(seed=seed))
                writer.finish("key", ACTIVITY)
        (read,) = store().read("key")
        assert torch.equal(read.lip_features, features(seed=4).lip_features)

    def test_a_shard_that_is_old_is_written_before_it_is_full(self, store):
        with StoreWriter(store(), shard_seconds=0.0) as writer:
            writer.finish("key", ACTIVITY, refusal=(Reason.NO_FACE, "no face is seen"))
            assert "key" in store()

    def test_a_refusal_is_kept_with_its_reason_and_with_what_is_known_of_the_sound(self, store):
        with StoreWriter(store()) as writer:
            writer.finish("key", ACTIVITY, refusal=(Reason.NO_FACE, "no face is seen"))
            writer.finish("mute", refusal=(Reason.NO_AUDIO, "the file has no sound"))
        assert store().refusal("key") == (Reason.NO_FACE, "no face is seen")
        assert store().activity("key").duration == 3.1
        assert store().activity("mute") is None
        with pytest.raises(CannotJudge, match="no face is seen"):
            list(store().read("key"))

    def test_training_reads_the_longest_chunk_without_its_margins(self, store):
        with StoreWriter(store()) as writer:
            writer.add("key", features(40, seed=1))
            writer.add("key", features(80, seed=2))
            writer.finish("key", ACTIVITY)
        clip = store().longest(None, "key")
        long = features(80, seed=2)
        assert clip.frames() == 70
        np.testing.assert_array_equal(clip.read("lips", 10, 20), long.lip_features[15:25].numpy())
        np.testing.assert_array_equal(clip.read("landmarks"), long.landmarks[5:75].numpy())
        assert clip.read("speech_share").shape == (70,)

    @pytest.mark.parametrize(
        "other", [{"backbone": "other"}, {"trim": "paper"}, {"faces": "dlib-68/2"}, {"whole": True}]
    )
    def test_what_is_made_in_another_way_is_in_another_store(self, filled, store, other):
        assert "key" in store()
        assert "key" not in store(**other)
        with StoreWriter(store(**other)) as writer:
            writer.finish("key", refusal=(Reason.NO_FACE, ""))
        assert store().refusal("key") is None

    def test_says_in_its_folder_how_it_was_made(self, filled):
        assert json.loads((filled.folder / "store.json").read_text()) == {
            "format": "avsync.features/3",
            "backbone": "backbone",
            "trim": "default",
            "faces": "dlib-68/1",
            "whole": False,
        }


def edited(shard, edit):
    """Rewrite a shard with another header, its checksum made to fit, as only a forger would."""
    with safe_open(shard, framework="pt") as file:
        header, tensors = json.loads(file.metadata()["avsync"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    edit(header, tensors)
    text = json.dumps(header)
    save_file(tensors, shard, {"avsync": text, "avsync_crc32": str(crc32(text.encode()))})


def setting(*path, to):
    """An edit of a header: the value at a path of keys; `*` stands for the only key."""

    def edit(header, _tensors):
        for key in path[:-1]:
            header = next(iter(header.values())) if key == "*" else header[key]
        header[next(iter(header)) if path[-1] == "*" else path[-1]] = to

    return edit


FORGED = [
    *(
        setting("chunks", "*", "core", to=core)
        for core in ([-5, 9], [9, 5], [0, 10**12], [0.0, 5.0], "ab", [1], None, [True, 9])
    ),
    *(setting("chunks", "*", "track", to=track) for track in ("one", None, 1.5, [])),
    *(setting("chunks", "*", "start", to=start) for start in ("now", None, float("nan"), 10**400)),
    *(setting("chunks", "*", "box", to=box) for box in (None, [1, 2, 3], ["a"] * 4, [float("inf")] * 4, 7)),
    *(setting("chunks", "*", "crc32", to=crcs) for crcs in (None, {}, {"lips": 1}, "none", [1, 2, 3, 4])),
    *(setting("chunks", "*", to=chunk) for chunk in (None, [], 3, {})),
    *(setting("chunks", to=chunks) for chunks in (None, [], 3, "x", {"key/0": {}}, {"../../other/0": {}})),
    *(setting("files", "*", "chunks", to=count) for count in (-1, 0, "one", None, 1.0, True)),
    *(setting("files", "*", "refused", to=said) for said in (["no_reason", "x"], "no_face", [], ["no_face", 3], None)),
    *(setting("files", "*", "warnings", to=said) for said in (None, 3, [3], [None])),
    *(setting("files", "*", "activity", to=said) for said in (None, [], "x", {}, {"segments": 3})),
    *(
        setting("files", "*", "activity", "segments", to=s)
        for s in ([[1]], "x", [[1, None]], [[float("nan"), 1]], [["a", "b"]])
    ),
    *(setting("files", "*", "activity", "duration", to=s) for s in ("long", None, float("inf"), [])),
    *(setting("files", "*", to=file) for file in (None, [], 3, "x", {})),
    *(setting("files", to=files) for files in (None, [], 3, "x")),
    lambda _header, tensors: tensors.pop("key/0/lips"),
    lambda _header, tensors: tensors.update({"key/0/lips": torch.zeros(3)}),
    lambda _header, tensors: tensors.update({"key/0/landmarks": torch.zeros(60, 68)}),
    lambda _header, tensors: tensors.update({"key/0/speech_share": torch.tensor(1.0)}),
]


class TestDamage:
    @pytest.fixture
    def shard(self, filled):
        (shard,) = filled.folder.glob("*.safetensors")
        return shard

    @pytest.mark.parametrize("keep", [0, 7, 100, -1])
    def test_a_torn_shard_is_a_usage_error_that_names_it(self, shard, store, keep):
        shard.write_bytes(shard.read_bytes()[:keep])
        with pytest.raises(UsageError, match=rf"{shard.name}: damaged; run avsync extract again, or delete the file"):
            len(store())

    @pytest.mark.parametrize("edit", FORGED)
    def test_a_header_with_odd_fields_is_a_usage_error(self, shard, store, edit):
        edited(shard, edit)
        for ask in (len, lambda s: "key" in s, lambda s: list(s.read("key")), lambda s: s.activity("key")):
            with pytest.raises(UsageError, match="damaged"):
                ask(store())

    @pytest.mark.parametrize("count", [2, 10**9, 10**30])
    def test_a_file_whose_chunks_are_not_all_there_is_not_known(self, shard, store, count):
        edited(shard, setting("files", "*", "chunks", to=count))
        assert "key" not in store()

    def test_a_deleted_shard_takes_its_files_with_it(self, store):
        with StoreWriter(store(), shard_bytes=1) as writer:
            for key in ("one", "one", "two"):
                writer.add(key, features())
            writer.finish("one", ACTIVITY)
            writer.finish("two", ACTIVITY)
        first, *_ = sorted(store().folder.glob("*.safetensors"))
        opened = store()
        first.unlink()
        assert ("one" in store(), "two" in store()) == (False, True)
        assert not opened.is_intact("one")
        with pytest.raises(CannotJudge, match="run avsync extract again"):
            list(opened.read("one"))
        with pytest.raises(UsageError, match="gone or damaged; run the same command again"):
            StoredClip(None, first, "one/0", (0, 10)).read("lips")

    def test_one_flipped_bit_anywhere_is_noticed(self, shard, store):
        whole = shard.read_bytes()
        (made,) = store().read("key")
        rng = np.random.default_rng(0)
        for place in rng.integers(0, len(whole), 200):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << rng.integers(8)
            shard.write_bytes(damaged)
            try:
                (read,) = store().read("key")
            except (UsageError, CannotJudge):
                continue
            # Spaces that fill up the header may change.
            assert all(torch.equal(getattr(read, name), getattr(made, name)) for name in FIELDS)
            assert (read.track, read.start, read.core) == (made.track, made.start, made.core)

    def test_damaged_features_are_refused_with_what_to_do(self, shard, store):
        content = shard.read_bytes()
        shard.write_bytes(content[:-4] + bytes(4))
        with pytest.raises(CannotJudge, match=r"the features kept in .* are damaged; run avsync extract again"):
            list(store().read("key"))
        assert not store().is_intact("key")

    def test_features_that_are_not_finite_are_a_refusal(self, store):
        broken = features()
        broken.lip_features[3, 2] = torch.nan
        with StoreWriter(store()) as writer:
            writer.add("key", features())
            writer.add("key", broken)
            writer.finish("key", ACTIVITY)
        assert store().refusal("key")[0] == Reason.DAMAGED
        assert store().is_intact("key")

    def test_not_finite_values_with_a_fitting_checksum_are_refused_too(self, shard, store):
        def edit(header, tensors):
            tensors["key/0/speech"][7] = torch.inf
            header["chunks"]["key/0"]["crc32"]["speech"] = checksum(tensors["key/0/speech"])

        edited(shard, edit)
        with pytest.raises(CannotJudge, match="damaged"):
            list(store().read("key"))

    def test_mending_removes_what_is_damaged(self, shard, store, caplog):
        shard.write_bytes(shard.read_bytes()[:100])
        opened = store()
        opened.mend()
        assert "key" not in opened
        assert not shard.exists()
        assert f"{shard}: damaged; removed, and its features are made again" in caplog.text


class TestHashes:
    @pytest.fixture
    def video(self, tmp_path):
        path = tmp_path / "1.mp4"
        path.write_bytes(b"one")
        return path

    @pytest.fixture
    def cache(self, tmp_path, video):
        HashCache(tmp_path / "hashes.jsonl").add([hash_file(video)])
        return lambda: HashCache(tmp_path / "hashes.jsonl")

    def test_are_remembered(self, cache, video):
        assert cache().get(video) == hash_file(video)
        assert cache().get(video.with_name("2.mp4")) is None

    def test_a_file_that_changed_is_not_known(self, cache, video):
        before = video.stat().st_mtime_ns
        video.write_bytes(b"two")
        os.utime(video, ns=(before, before + 1))
        assert cache().get(video) is None
        cache().add([hash_file(video)])
        assert cache().get(video).sha256 == hash_file(video).sha256

    def test_a_file_that_is_gone_is_not_known(self, cache, video):
        video.unlink()
        assert cache().get(video) is None

    @pytest.mark.parametrize(
        "torn",
        ['["/videos/2.mp4", 3,', "null", "[1]", "\x00\ufffd", "{}", '["/videos/2.mp4", Infinity, 1, "a"]', "[" * 9999],
    )
    def test_a_torn_line_spoils_neither_the_line_before_nor_the_next_one(self, cache, video, tmp_path, torn):
        with (tmp_path / "hashes.jsonl").open("a") as file:
            file.write("\n" + torn)
        other = tmp_path / "2.mp4"
        other.write_bytes(b"two")
        cache().add([hash_file(other)])
        assert cache().get(video) == hash_file(video)
        assert cache().get(other) == hash_file(other)

    def test_what_cannot_be_read_is_refused(self, tmp_path):
        with pytest.raises(CannotJudge, match=r"unreadable: 1\.mp4 cannot be read \(No such file"):
            hash_file(tmp_path / "1.mp4")

    def test_names_that_are_no_text_are_kept_too(self, cache, tmp_path):
        strange = tmp_path / os.fsdecode(b"\xff\n.mp4")
        strange.write_bytes(b"three")
        cache().add([hash_file(strange)])
        assert cache().get(strange) == hash_file(strange)

    def test_a_file_is_read_once(self, cache, video, monkeypatch):
        monkeypatch.setattr(hashes_module, "sha256_of", lambda _: pytest.fail("read again"))
        assert cache().get(video).size == 3


def counted(job):
    """A job of the tests: some numbers, each in an array of 4 MB."""
    for number in range(job):
        yield np.full(1 << 20, number, np.int32)


def noted(folder):
    """A job of ten such arrays that notes each before it gives it."""
    for number in range(10):
        (folder / str(number)).touch()
        yield np.full(1 << 20, number, np.int32)


def dying(job):
    if job:
        os.kill(os.getpid(), 9)
    yield job


def failing(job):
    if job:
        raise UsageError("this job is wrong")
    yield job


def endless(folder):
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 3600
    while time.monotonic() < end:
        pass
    yield None


class TestWorkers:
    @pytest.mark.parametrize("count", [1, 2])
    def test_every_job_gives_all_its_results(self, count):
        jobs = iter([3, 0, 2, 1])
        found = [int(array[0]) for array in run_jobs(counted, partial(next, jobs, None), count)]
        assert sorted(found) == [0, 0, 0, 1, 1, 2]

    def test_a_result_can_make_a_new_job(self):
        jobs, found = [2], []

        def next_job():
            return jobs.pop() if jobs else None

        for array in run_jobs(counted, next_job, 2):
            found.append(int(array[0]))
            jobs.append(found[-1])  # 0 makes a job without results, 1 makes a job with one
        assert sorted(found) == [0, 0, 1]

    def test_results_that_are_not_taken_do_not_pile_up(self, tmp_path):
        jobs = iter([tmp_path])
        results = run_jobs(noted, partial(next, jobs, None), 2)
        next(results)
        time.sleep(1)
        assert len(list(tmp_path.iterdir())) <= 2
        assert sum(1 for _ in results) == 9

    def test_no_process_is_started_without_a_job(self, monkeypatch):
        monkeypatch.setattr("multiprocessing.process.BaseProcess.start", lambda _: pytest.fail("started"))
        assert list(run_jobs(counted, lambda: None, 4)) == []

    def test_the_death_of_a_process_is_an_error_not_a_wait(self):
        jobs = iter([0, 1])
        with pytest.raises(AvsyncError, match="a worker process died"):
            list(run_jobs(dying, partial(next, jobs, None), 2))

    @pytest.mark.parametrize("count", [1, 2])
    def test_an_error_in_a_job_is_the_error_of_the_run(self, count):
        jobs = iter([0, 1])
        with pytest.raises(UsageError, match="this job is wrong"):
            list(run_jobs(failing, partial(next, jobs, None), count))

    def test_no_process_outlives_the_one_that_started_it(self, tmp_path):
        """Also one that never looks at its pipe, because it has work for an hour."""
        code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_features import endless
from avsync.workers import run_jobs
jobs = iter([Path({str(tmp_path)!r})] * 2)
list(run_jobs(endless, lambda: next(jobs, None), 2))
"""
        main = subprocess.Popen([sys.executable, "-c", "from pathlib import Path" + code])
        while len(running := list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        assert outliving(main, [path.name for path in running]) == []

    def test_nor_one_that_has_not_imported_all_it_needs(self, tmp_path):
        (tmp_path / "slow.py").write_text(
            "import os, pathlib, time\n"
            "if os.environ.setdefault('MAIN', str(os.getpid())) != str(os.getpid()):\n"
            f"    (pathlib.Path({str(tmp_path)!r}) / f'{{os.getpid()}}.pid').touch()\n"
            "    time.sleep(60)\n"
            "def work(job): ...\n"
        )
        code = "import slow; from avsync.workers import run_jobs; list(run_jobs(slow.work, lambda: 1, 2))"
        main = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
        while not (running := list(tmp_path.glob("*.pid"))):
            time.sleep(0.05)
        assert outliving(main, [path.stem for path in running]) == []


def outliving(main, workers):
    """Those of the worker processes that are still there 5 s after the main process was killed."""
    main.kill()
    main.wait()
    until = time.monotonic() + 5
    while time.monotonic() < until and any(Path("/proc", pid).exists() for pid in workers):
        time.sleep(0.05)
    return [pid for pid in workers if Path("/proc", pid).exists()]
