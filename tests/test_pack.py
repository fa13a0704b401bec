"""Training data as tar files: what is in them, and that a training from them is the same training."""

import json
import logging
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_train import config, data, made_up, mel, mouths, store_of, videos, weights  # noqa: F401  fixtures too
from typer.testing import CliRunner

from avsync.align.temporal.module import TemporalModule
from avsync.cli import command_line
from avsync.errors import UsageError
from avsync.features.packed import clips as packed_clips
from avsync.features.packed import read_packed, write
from avsync.features.packed.index import read_index
from avsync.files import sha256_of
from avsync.train import train

webdataset = pytest.importorskip("webdataset")

SHARD_BYTES = 1 << 20  # two clips of 40 mouth crops


@pytest.fixture
def pack(config, monkeypatch):  # noqa: F811
    """Pack the clips of `config`, with tar files of at most 1 MB."""

    def run(output, *words):
        given = [config.data.root, "--output", output, "--cache", config.data.cache, "--workers", 1, "--shard-mb", 1]
        result = CliRunner().invoke(command_line, ["pack", *map(str, given), "--licence", "CC BY 4.0", *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    return run


@pytest.fixture
def shards(pack, tmp_path):
    folder = tmp_path / "shards"
    pack(folder)
    return folder


def packed(config, root):  # noqa: F811
    """The config of a training from tar files; its folder of features does not exist."""
    return replace(config, data=replace(config.data, root=str(root), cache="/nowhere", licence=""))


def elsewhere(config, name):  # noqa: F811
    folder = str(Path(config.trainer.output_dir).with_name(name))
    return replace(config, trainer=replace(config.trainer, output_dir=folder))


def said(path):
    """What a model says of its making, without the commit, which may change while tests run."""
    notes = json.loads(path.with_suffix(".json").read_text())
    del notes["provenance"]["commit"]
    return notes


ALL = "{000000..000003}.tar"


class TestTraining:
    def test_from_tar_files_ends_with_the_same_weights_and_says_the_same_of_itself(self, config, shards):  # noqa: F811
        path, other = train(config), train(elsewhere(packed(config, shards / ALL), "packed"))
        assert sha256_of(path) == sha256_of(other)
        assert said(path) == said(other)

    def test_killed_and_started_again_it_ends_where_it_would_have(self, config, shards, monkeypatch):  # noqa: F811
        through, config = weights(config), elsewhere(packed(config, shards / ALL), "killed")

        def killed(module):
            if module.current_epoch == 1:
                raise SystemError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(TemporalModule, "on_train_epoch_end", killed)
            with pytest.raises(SystemError):
                train(config)
        assert weights(config) == through

    def test_of_other_features_is_refused(self, config, shards):  # noqa: F811
        from avsync.train.config import MLPTraining

        other = MLPTraining(backbone="temporal", data=replace(config.data, root=str(shards / ALL)))
        with pytest.raises(UsageError, match="packed for another training; avsync pack --backbone 'temporal'"):
            train(other)

    def test_leaves_out_speakers_and_names_those_it_validates_on(self, config, shards):  # noqa: F811
        config = packed(config, shards / ALL)
        out = replace(config, data=replace(config.data, exclude=["cid"], validation=["bob"]))
        notes = said(train(out))["provenance"]["data"]
        assert (notes["trained_on"], notes["clips"]) == (["ann"], 5)
        with pytest.raises(UsageError, match="names no speaker"):
            train(replace(config, data=replace(config.data, validation=["dan"])))


class TestShards:
    def test_are_read_by_webdataset(self, config, shards, videos):  # noqa: F811
        urls = str(shards / ALL)
        samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
        assert [sample["__key__"] for sample in samples] == [f"{number:08d}" for number in range(7)]
        store = store_of(Path(config.data.cache), "mouth+mel", True)
        for sample, video in zip(samples, videos, strict=True):
            (features,) = store.read(sha256_of(video))
            assert sample["json"] == {
                "name": video.relative_to(Path(config.data.root) / "dev" / "mp4").as_posix(),
                "speaker": video.parts[-3],
                "split": "",
                "licence": "CC BY 4.0",
                "content": sha256_of(video),
                "frames": 40,
                "fps": 25,
                "speech_seconds": 1.6,
            }
            np.testing.assert_array_equal(sample["lips.npy"], features.lip_features)
            np.testing.assert_array_equal(sample["landmarks.npy"], features.landmarks)
            np.testing.assert_array_equal(sample["speech.npy"], features.speech_features)
            np.testing.assert_array_equal(sample["speech_share.npy"], features.speech_share)

    def test_are_no_larger_than_asked(self, shards):
        sizes = [path.stat().st_size for path in shards.glob("*.tar")]
        assert len(sizes) == 4
        assert max(sizes) <= SHARD_BYTES

    def test_have_the_same_bytes_whenever_they_are_made(self, pack, shards, tmp_path):
        pack(tmp_path / "again")
        for path in shards.iterdir():
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()

    def test_go_on_where_a_run_was_stopped(self, pack, shards, tmp_path, monkeypatch):
        written = []

        def stopped(path, samples):
            written.append(path.name)
            if len(written) == 3:
                raise OSError("No space left on device")
            real(path, samples)

        real = write._write
        with monkeypatch.context() as patch:
            patch.setattr(write, "_write", stopped)
            with pytest.raises(OSError, match="No space"):
                pack(tmp_path / "again")
        assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["000000.tar", "000001.tar"]
        monkeypatch.setattr(write, "_write", lambda path, samples: written.append(path.name) or real(path, samples))
        pack(tmp_path / "again")
        assert written[3:] == ["000002.tar", "000003.tar"]
        for path in shards.iterdir():
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()

    def test_that_are_torn_are_made_again(self, pack, shards):
        content = (shards / "000001.tar").read_bytes()
        (shards / "000001.tar").write_bytes(content[:2000])
        pack(shards)
        assert (shards / "000001.tar").read_bytes() == content

    def test_name_no_file_and_no_person_in_the_tar(self, shards):
        with tarfile.open(shards / "000000.tar") as archive:
            for member in archive:
                assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
                assert member.name[:8].isdigit()

    def test_tell_how_to_train_from_them(self, pack, tmp_path):
        told = pack(tmp_path / "told")
        assert told.startswith(f"{tmp_path / 'told' / ALL}: 7 of 7 clips, ")


class TestClips:
    def test_without_features_are_listed_and_counted(self, config, videos, pack, tmp_path, caplog):  # noqa: F811
        videos[3].write_text("no video")
        with caplog.at_level(logging.WARNING):
            pack(tmp_path / "shards")
        found = read_packed(str(tmp_path / "shards" / "{000000..000002}.tar"))
        assert (len(found.records), len(found.clips)) == (7, 6)
        path = train(packed(config, tmp_path / "shards" / "{000000..000002}.tar"))
        assert said(path)["provenance"]["data"]["left_out"] == 1

    def test_of_some_tar_files_only(self, shards):
        found = read_packed(str(shards / "{000001..000002}.tar"))
        assert [clip.record.path.name for clip in found.clips] == ["000001.tar"] * 2 + ["000002.tar"] * 2

    def test_are_read_row_by_row(self, config, shards, videos):  # noqa: F811
        store = store_of(Path(config.data.cache), "mouth+mel", True)
        for clip, video in zip(read_packed(str(shards / ALL)).clips, videos, strict=True):
            (features,) = store.read(sha256_of(video))
            np.testing.assert_array_equal(clip.read("lips", 7, 12), features.lip_features[7:12])
            np.testing.assert_array_equal(clip.read("speech", 38, 99), features.speech_features[38:])
            assert clip.read("landmarks", 5, 5).shape == (0, 68, 2)
            assert (clip.frames(), clip.seconds, clip.speech_seconds) == (40, 1.6, 1.6)

    def test_of_a_file_that_is_torn_while_it_trains_are_a_usage_error(self, shards):
        clips = read_packed(str(shards / ALL)).clips
        clips[0].record.path.write_bytes(b"")
        with pytest.raises(UsageError, match=r"000000\.tar: gone or torn"):
            clips[0].read("lips", 0, 5)


class TestRoot:
    def test_a_tar_file_that_is_missing_is_a_usage_error(self, shards):
        with pytest.raises(UsageError, match=r"000004\.tar: not in"):
            read_packed(str(shards / "{000000..000004}.tar"))
        (shards / "000002.tar").unlink()
        with pytest.raises(UsageError, match=r"000002\.tar: cannot be read"):
            read_packed(str(shards / ALL))

    def test_a_tar_file_that_is_torn_is_a_usage_error(self, shards):
        (shards / "000001.tar").write_bytes(b"torn")
        with pytest.raises(UsageError, match=r"000001\.tar: torn; run avsync pack again"):
            read_packed(str(shards / ALL))

    def test_without_an_index_is_a_usage_error(self, shards):
        (shards / "index.jsonl").unlink()
        with pytest.raises(UsageError, match=r"index\.jsonl: cannot be read"):
            read_packed(str(shards / ALL))

    @pytest.mark.parametrize("root", ["{0..999}.tar", "{0..9}{0..9}{0..9}.tar"])
    def test_that_names_too_many_files_is_a_usage_error(self, root, monkeypatch):
        monkeypatch.setattr(packed_clips, "_MAX_SHARDS", 100)
        with pytest.raises(UsageError, match="more than 100 files"):
            read_packed(root)

    def test_that_is_a_command_is_a_name_like_any_other(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError, match="cannot be read"):
            read_packed("pipe:touch made.tar")
        assert not (tmp_path / "made.tar").exists()


class TestIndex:
    @pytest.mark.parametrize(
        ("line", "change"),
        [
            (0, {"schema": "other"}),
            (0, {"whole": "yes"}),
            (0, {"shards": {"../000000.tar": 5}}),
            (0, {"arrays": {"lips": {"dtype": "object", "shape": [1]}}}),
            (0, {"arrays": {"lips": {"dtype": "uint8", "shape": [1 << 40]}}}),
            (1, {"shard": "/etc/passwd"}),
            (1, {"offsets": [-1, 0, 0, 0]}),
            (1, {"offsets": [1 << 40, 0, 0, 0]}),
            (1, {"offsets": [0]}),
            (1, {"frames": 1 << 40}),
            (1, {"speech_seconds": float("nan")}),
            (1, {"name": 5}),
        ],
    )
    def test_with_a_value_that_cannot_be_is_refused(self, shards, line, change):
        lines = (shards / "index.jsonl").read_text().splitlines()
        lines[line] = json.dumps(json.loads(lines[line]) | change)
        (shards / "index.jsonl").write_text("\n".join(lines))
        with pytest.raises(UsageError, match=r"index\.jsonl: (damaged|not an index)"):
            read_index(shards)

    @pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}\n{}", b"[" * 100_000])
    def test_that_is_none_is_refused(self, shards, content):
        (shards / "index.jsonl").write_bytes(content)
        with pytest.raises(UsageError, match=r"index\.jsonl: damaged"):
            read_index(shards)


def test_fakes_are_never_packed(config, pack, tmp_path):  # noqa: F811
    (Path(config.data.root) / "FakeVideo-RealAudio").mkdir()
    with pytest.raises(UsageError, match="fakes"):
        pack(tmp_path / "shards")
    assert not (tmp_path / "shards").exists()
