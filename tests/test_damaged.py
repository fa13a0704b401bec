"""Damaged and hostile files that avsync wrote or could have written: one line, no traceback, no harm."""

import json
import os
import time
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest
import torch
from talking import face, voice, write

from avsync.align import MLPAligner, MLPConfig, TemporalAligner, TemporalConfig
from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.detector import Detector
from avsync.errors import Reason, UsageError
from avsync.files import unfinished, upcoming, write_pair, write_whole
from avsync.weights.folder import describe

SMALL = TemporalConfig(width=8, components=4)


class Killed(BaseException):
    """What `kill -9` does, as far as this process can tell: nothing after it happens."""


@contextmanager
def killed_at(count):
    """The process ends before its renaming number `count`, from 0 on."""
    replace, left = Path.replace, [count]

    def kill(path, target):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", kill)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            yield


class TestWriting:
    def test_a_file_is_whole_or_as_it_was(self, tmp_path):
        write_whole(tmp_path / "a", b"old")
        with killed_at(0):
            write_whole(tmp_path / "a", b"new")
        assert (tmp_path / "a").read_bytes() == b"old"

    def test_what_cannot_be_written_leaves_nothing(self, tmp_path):
        write_whole(tmp_path / "a", b"old")

        def fill():
            with unfinished(tmp_path / "a") as partial:
                partial.write_bytes(b"half")
                raise OSError(ENOSPC, "full")

        with pytest.raises(OSError, match="full"):
            fill()
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert (tmp_path / "a").read_bytes() == b"old"

    def test_content_and_name_are_on_the_disk_before_it_returns(self, tmp_path, monkeypatch):
        synced = []
        monkeypatch.setattr(
            os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        )
        write_whole(tmp_path / "a", b"new")
        assert synced[0].suffix == ".partial"
        assert synced[1] == tmp_path

    def test_unfinished_files_of_killed_processes_are_removed_after_an_hour(self, tmp_path):
        old, new, other = (tmp_path / f".{name}.partial" for name in ("a" * 32, "b" * 32, "mine"))
        for path in (old, new, other):
            path.write_bytes(b"half")
        for path in (old, other):
            os.utime(path, (time.time() - 3700,) * 2)
        write_whole(tmp_path / "a", b"")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([new.name, other.name, "a"])

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_a_killed_pair_is_the_old_one_or_the_new_one(self, tmp_path, count):
        first, second = tmp_path / "first", tmp_path / "second"
        write_pair(first, b"old", second, b"of old")
        with killed_at(count):
            write_pair(first, b"new", second, b"of new")
        if count < 2:
            assert (first.read_bytes(), second.read_bytes()) == (b"old", b"of old")
        else:
            assert (first.read_bytes(), upcoming(second).read_bytes()) == (b"new", b"of new")


class TestCheckpoint:
    @pytest.fixture
    def saved(self, tmp_path):
        torch.manual_seed(0)
        path = tmp_path / "model.safetensors"
        save_checkpoint(TemporalAligner(SMALL), path, {"name": "old"})
        return path

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_a_save_that_is_killed_leaves_a_model_that_loads(self, saved, count):
        with killed_at(count):
            save_checkpoint(TemporalAligner(SMALL), saved, {"name": "new"})
        assert load_checkpoint(saved).notes["name"] == ("old" if count < 2 else "new")
        assert load_checkpoint(saved).notes["name"] == json.loads(saved.with_suffix(".json").read_text())["name"]

    def test_a_first_save_that_is_killed_between_its_files_is_found_too(self, saved):
        saved.with_suffix(".json").rename(upcoming(saved.with_suffix(".json")))
        assert describe(saved).format == "avsync.temporal/1"
        assert load_checkpoint(saved).notes["name"] == "old"
        assert not upcoming(saved.with_suffix(".json")).exists()

    def test_in_a_folder_that_cannot_be_written_it_loads_too(self, saved, monkeypatch):
        saved.with_suffix(".json").rename(upcoming(saved.with_suffix(".json")))
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "read-only")))
        assert load_checkpoint(saved).notes["name"] == "old"

    @pytest.mark.parametrize(
        "model",
        [
            {"width": 10**9},
            {"width": -1},
            {"width": 1024},
            {"width": "8"},
            {"width": 8.5},
            {"width": None},
            {"width": [8]},
            {"width": float("nan")},
            {"components": 10**6},
            {"dropout": "x"},
            {"dropout": -3},
            {"dropout": float("nan")},
            {"depth": 3},
            [],
            "wide",
            None,
        ],
    )
    def test_a_config_that_does_not_fit_is_refused_before_it_takes_memory(self, saved, model):
        notes = json.loads(saved.with_suffix(".json").read_text())
        notes["model"] = {**notes["model"], **model} if isinstance(model, dict) else model
        saved.with_suffix(".json").write_text(json.dumps(notes))
        started = time.perf_counter()
        with pytest.raises(UsageError) as refused:
            load_checkpoint(saved)
        assert time.perf_counter() - started < 1
        assert "\n" not in str(refused.value)

    def test_a_small_file_that_claims_a_large_head_is_refused(self, tmp_path):
        path = tmp_path / "head.safetensors"
        save_checkpoint(MLPAligner(MLPConfig(lips=8, speech=8)), path, {})
        notes = json.loads(path.with_suffix(".json").read_text())
        notes["model"] = {"lips": 8192, "speech": 8192}
        path.with_suffix(".json").write_text(json.dumps(notes))
        with pytest.raises(UsageError, match="not the weights of this model"):
            load_checkpoint(path)

    @pytest.mark.parametrize("field", ["name", "format", "weights_sha256", "backbone", "features", "reading"])
    @pytest.mark.parametrize("value", [None, 3, [], {"a": 1}])
    def test_a_field_that_is_no_text_is_refused(self, saved, field, value):
        notes = json.loads(saved.with_suffix(".json").read_text())
        saved.with_suffix(".json").write_text(json.dumps({**notes, field: value}))
        with pytest.raises(UsageError, match="not the description"):
            load_checkpoint(saved)

    def test_one_flipped_bit_in_either_file_is_refused_or_changes_no_weight(self, saved):
        rng, before = np.random.default_rng(0), load_checkpoint(saved)
        for path in (saved, saved.with_suffix(".json")):
            whole = path.read_bytes()
            for place in rng.integers(0, len(whole), 60):
                damaged = bytearray(whole)
                damaged[place] ^= 1 << rng.integers(8)
                path.write_bytes(damaged)
                try:
                    after = load_checkpoint(saved)
                except UsageError:
                    continue
                assert path.suffix == ".json"
                assert after.sha256 == before.sha256
            path.write_bytes(whole)

    @pytest.mark.parametrize("calibrated", [True, False])
    def test_weights_that_overflow_are_never_consistent(self, tmp_path, calibrated):
        """All of them are finite, and no reading is."""
        path, embedded = tmp_path / "model.safetensors", load_checkpoint(EMBEDDED)
        for value in embedded.model.parameters():
            value.data.fill_(1e38)
        if not calibrated:
            del embedded.notes["calibration"]
        save_checkpoint(embedded.model, path, embedded.notes)
        verdict = Detector(path).score(write(tmp_path / "clip.mp4", face(), voice()))
        assert (verdict.verdict, verdict.reason, verdict.p_value) == ("cannot_judge", Reason.CRASHED, None)
        assert "agreement is nan, which no undamaged model gives; check the weights" in verdict.detail
        json.dumps(verdict.to_dict(), allow_nan=False)
