"""Damaged, lying and odd files get a verdict, a typed reason or one line; see scripts/fuzz.py.

200 inputs with fixed numbers run here. To look at one that fails: python scripts/fuzz.py --count 1 --seed NUMBER.
"""

import json
import socket
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from avsync.errors import CannotJudge, Reason, UsageError
from avsync.media import audio_blocks
from avsync.weights.unpickle import unpickle

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from fuzzing import audit, files, media, references
from fuzzing.damage import damaged
from fuzzing.fields import lied
from fuzzing.guard import Guard
from fuzzing.pool import FAULTS, Limits, run
from fuzzing.results import faults, stored, summary

MEDIA, FILES = range(110), range(90)
VERDICTS = {"consistent", "suspicious", *Reason}
USES = {"refused", "read", "converted", "opened", "loaded", "measured", "consistent", "suspicious"}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who opens files")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def of_media(folder):
    return list(run("media", MEDIA, folder, jobs=1))


@pytest.fixture(scope="module")
def of_files(folder):
    return list(run("files", FILES, folder))


def test_every_mutated_recording_gets_a_verdict_or_a_typed_reason(of_media):
    assert not faults(of_media), "\n".join(faults(of_media))
    assert {record["outcome"] for record in of_media} <= {*VERDICTS, "not_made"}
    assert len(of_media) == len(MEDIA)


def test_the_inputs_reach_every_part(of_media):
    assert {record["family"] for record in of_media} == set(media.FAMILIES)
    assert {"consistent", "unreadable", "no_face", "no_audio"} <= {record["outcome"] for record in of_media}


def test_every_mutated_checkpoint_store_table_and_config_works_or_is_refused_in_one_line(of_files):
    assert not faults(of_files), "\n".join(faults(of_files))
    assert {record["outcome"] for record in of_files} <= {*USES, "not_made"}
    assert {record["family"] for record in of_files} == set(files.FAMILIES)


def test_a_fault_is_named_with_its_number_and_kept(folder):
    (record,) = run("media", [2], folder, limits=Limits(seconds=0.01))
    assert record["outcome"] == "timed_out"
    assert faults([record])[0].startswith("2 timed_out")
    assert json.loads((folder / "faults" / "media-2" / "record.json").read_text())["seed"] == 2
    assert (folder / "faults" / "media-2" / "input.mp4").exists()


def test_the_number_decides_everything_about_an_input(folder, tmp_path):
    makers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        makers.append(media.MediaMaker(folder / "base", tmp_path / name, 1))
    for seed in range(20):
        one, two = (maker.make(seed) for maker in makers)
        if one.family != "reference":  # they name their folder
            assert one.said == two.said
            assert [path.read_bytes() for path in one.files] == [path.read_bytes() for path in two.files]


@pytest.mark.parametrize("name", media.KINDS)
def test_every_container_is_lied_about(name, folder, of_media):
    data = (folder / "base" / f"base.{name}").read_bytes()
    assert sum(lied(np.random.default_rng(seed), data, name)[0] != data for seed in range(10)) == 10
    assert sum(damaged(np.random.default_rng(seed), data, b"other")[0] != data for seed in range(10)) >= 8


def test_a_sample_rate_that_no_recorder_has_is_refused(folder, of_media, tmp_path):
    """Found as input 1363: a WAV file of 64 kB whose header says 1.5 GHz took 2.4 GB."""
    data = bytearray((folder / "base" / "base.wav").read_bytes())
    data[24:28] = (1_543_192_192).to_bytes(4, "little")
    (tmp_path / "fast.wav").write_bytes(data)
    with pytest.raises(CannotJudge, match="unreadable: sound of 1543192192 samples per second"):
        list(audio_blocks(tmp_path / "fast.wav"))


def test_a_pickle_that_makes_the_memo_of_its_reader_large_is_refused(tmp_path):
    """Found as input 30767 of the checkpoints, stores, tables and configs: 4 changed bytes took more than 4 GB."""
    with ZipFile(tmp_path / "memo.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}r\0\0\0\x04.")  # an empty dict, kept as number 67,108,864
    with pytest.raises(UsageError, match="truncated, damaged") as refused:
        unpickle(tmp_path / "memo.pt")
    assert "memo" in str(refused.value.__cause__)


class TestGuard:
    @pytest.fixture
    def guard(self, tmp_path):
        (tmp_path / "log").touch()
        inputs = tmp_path / "inputs"
        inputs.mkdir()
        for name in ("input.mp4", references.CANARY):
            (inputs / name).write_bytes(b"x")
        return Guard(inputs, tmp_path / "log"), inputs

    @on_linux
    def test_it_sees_any_file_beside_the_input_that_is_opened(self, guard):
        guard, inputs = guard
        with guard.watching(inputs / "input.mp4") as found:
            (inputs / "input.mp4").read_bytes()
        assert found == []
        with guard.watching(inputs / "input.mp4") as found:
            (inputs / references.CANARY).read_bytes()
        assert found == [f"opened {references.CANARY}"]

    def test_it_sees_connections_to_the_decoy(self, guard):
        guard, inputs = guard
        with guard.watching(inputs / "input.mp4") as found:
            socket.create_connection(("127.0.0.1", guard.port)).close()
        assert found == ["connected to the decoy server"]

    def test_it_tells_what_the_audit_hooks_wrote(self, guard, tmp_path):
        guard, inputs = guard
        with guard.watching(inputs / "input.mp4") as found, (tmp_path / "log").open("a") as log:
            log.write("opened /etc/passwd\n")
        assert found == ["opened /etc/passwd"]

    def test_code_may_be_read_and_nothing_else(self, tmp_path):
        below = f"{tmp_path}/"
        assert audit.is_allowed(audit.__file__, 0, below)
        assert audit.is_allowed(f"{tmp_path}/input.mp4", 0, below)
        assert not audit.is_allowed(audit.__file__, 1, below)
        assert not audit.is_allowed("/etc/passwd", 0, below)


def test_a_record_that_a_killed_run_left_unfinished_is_dropped(tmp_path):
    path = tmp_path / "media.jsonl"
    path.write_text('{"seed": 1, "outcome": "no_face", "seconds": 1}\n{"seed": 2, "out')
    assert [record["seed"] for record in stored(path)] == [1]
    assert path.read_text().endswith("}\n")


def test_the_table_counts_outcomes(tmp_path):
    records = [
        {"seed": 1, "family": "bytes", "outcome": "no_face", "seconds": 1.0, "mb": 5, "said": "x"},
        {"seed": 2, "family": "fields", "outcome": "crashed", "seconds": 2.0, "mb": 9, "said": "y", "detail": "z"},
    ]
    assert "| `no_face` | 1 | 1 | 0 |" in summary(records)
    assert "slowest: 2.0 s, seed 2" in summary(records)
    assert faults(records) == ["2 crashed (y): z"]
    assert "crashed" in FAULTS
