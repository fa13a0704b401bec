"""From a config to a checkpoint; the features are made up, the training is real."""

import csv
import logging
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from avsync.align import TemporalAligner, TemporalConfig
from avsync.align.mlp.module import MLPModule
from avsync.align.segments import draw_by_speaker
from avsync.align.temporal import AugmentConfig
from avsync.align.temporal.data import Geometry, Segments
from avsync.align.temporal.geometry import lip_geometry, mirrored
from avsync.align.temporal.module import TemporalModule
from avsync.checkpoint import load_checkpoint, save_checkpoint
from avsync.config import DataConfig, FramesConfig, PlateauConfig, SegmentsConfig
from avsync.datasets import ClipRecord
from avsync.encoders.registry import load_backbone
from avsync.errors import UsageError
from avsync.face import load_face_detector
from avsync.features import Features, FeatureStore, StoreWriter
from avsync.files import sha256_of
from avsync.speech import SpeechActivity
from avsync.train import run, train
from avsync.train.config import MLPTraining, ResNetTraining, TemporalTraining, load_config
from avsync.train.epochs import is_whole

T = 40
RECORD = ClipRecord(Path("1.mp4"), "ann/1.mp4", "real", "RealVideo-RealAudio", "real", identity="ann", speaker="ann")
DEFAULT = Path(__file__).parents[1] / "configs" / "default.yaml"


def made_up(seed, lips, speech, frames=T, share=None):
    """Features of a clip, the landmarks those of one face that moves a little."""
    rng = np.random.default_rng(seed)
    landmarks = np.random.default_rng(0).uniform(0, 100, (68, 2)) + rng.normal(0, 1, (frames, 68, 2))
    return Features(
        track=0,
        start=0.0,
        box=np.zeros(4),
        landmarks=torch.from_numpy(landmarks.astype(np.float32)),
        lip_features=torch.from_numpy(lips(rng, frames)),
        speech_features=torch.from_numpy(speech(rng, frames)),
        speech_share=torch.ones(frames) if share is None else share,
        core=slice(0, frames),
    )


def mouths(rng, frames):
    return rng.integers(0, 256, (frames, 96, 96), np.uint8)


def mel(rng, frames):
    return rng.normal(-5, 2, (frames, 160)).astype(np.float32)


def halves(rng, frames):
    return rng.normal(size=(frames, 96)).astype(np.float16)


def store_of(cache, backbone, whole):
    return FeatureStore(cache, load_backbone(backbone).key, "default", load_face_detector().key, whole=whole)


def fill(cache, backbone, whole, clips):
    """Keep features for files by their content: nothing of them is decoded."""
    with StoreWriter(store_of(cache, backbone, whole)) as writer:
        for path, features in clips.items():
            writer.add(sha256_of(path), features)
            writer.finish(sha256_of(path), SpeechActivity(np.array([[0.0, 1.6]]), 1.6))


@pytest.fixture
def videos(tmp_path):
    """Five clips of ann to train on and one each of bob and cid to validate on."""
    paths = []
    for index, speaker in enumerate(["ann"] * 5 + ["bob", "cid"]):
        video = tmp_path / "real" / "dev" / "mp4" / speaker / f"video{index}" / "1.mp4"
        video.parent.mkdir(parents=True)
        video.write_text(f"content of {index}")
        paths.append(video)
    return paths


@pytest.fixture
def data(tmp_path, videos):
    torch.set_num_threads(1)
    return DataConfig(
        root=str(tmp_path / "real"),
        cache=str(tmp_path / "cache"),
        validation=["bob", "cid"],
        licence="CC BY 4.0",
        num_workers=1,
    )


@pytest.fixture
def config(tmp_path, data, videos):
    """Two steps an epoch of a small default model."""
    clips = {path: made_up(index, mouths, mel) for index, path in enumerate(videos)}
    fill(tmp_path / "cache", "mouth+mel", True, clips)
    return TemporalTraining(
        data=data,
        model=TemporalConfig(width=8, components=4),
        trainer=SegmentsConfig(
            epochs=2, batch_size=2, per_speaker=2, segment=16, output_dir=str(tmp_path / "out"), loggers=["csv"]
        ),
    )


def torn(keep):
    return lambda path: path.write_bytes(path.read_bytes()[:keep])


def flipped(path):
    """One bit of the weights is another one."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def replaced(path):
    torch.save({"state_dict": {}}, path)


DAMAGES = [torn(0), torn(10), torn(-500), flipped, replaced]


def elsewhere(config, name, **changes):
    folder = str(Path(config.trainer.output_dir).with_name(name))
    return replace(config, trainer=replace(config.trainer, output_dir=folder, **changes))


def weights(config):
    return load_checkpoint(train(config)).sha256


class TestTrain:
    def test_writes_a_checkpoint_that_says_where_it_comes_from(self, config, capfd):
        path = train(config)
        assert path == Path(config.trainer.output_dir) / "model.safetensors"
        notes = load_checkpoint(path).notes["provenance"]
        assert notes["data"] | {"hours": 0} == {
            "name": "real",
            "licence": "CC BY 4.0",
            "excluded_speakers": [],
            "trained_on": ["ann"],
            "clips": 5,
            "hours": 0,
            "left_out": 0,
        }
        small = {"epochs": 2, "batch_size": 2, "per_speaker": 2, "speaker_power": 0.5, "segment": 16, "seed": 0}
        assert notes["config"]["trainer"] == {**small, "devices": 1}
        assert set(notes["metrics"]) == {"retrieval", "swap_auc"}
        assert str(path.parent) not in path.with_suffix(".json").read_text()
        assert capfd.readouterr() == ("", "")

    def test_learns_and_logs(self, config):
        model = load_checkpoint(train(config)).model
        torch.manual_seed(config.trainer.seed)
        untrained = TemporalAligner(config.model)
        assert not torch.equal(*(m.state_dict()["_speech.layers.0.weight"] for m in (model, untrained)))
        header, *rows = (Path(config.trainer.output_dir) / "csv/version_0/metrics.csv").read_text().splitlines()
        assert {"train_loss", "retrieval", "swap_auc"} <= set(header.split(","))
        assert rows

    def test_the_same_seed_gives_the_same_weights(self, config):
        first = weights(config)
        assert weights(elsewhere(config, "again")) == first
        assert weights(elsewhere(config, "other", seed=1)) != first

    def test_killed_and_started_again_it_ends_where_it_would_have(self, config, monkeypatch):
        through = weights(elsewhere(config, "through"))

        def killed(module):
            if module.current_epoch == 1:
                raise SystemError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(TemporalModule, "on_train_epoch_end", killed)
            with pytest.raises(SystemError):
                train(config)
        assert not (Path(config.trainer.output_dir) / "model.safetensors").exists()
        assert weights(config) == through

    def test_a_finished_training_is_not_repeated(self, config, monkeypatch):
        first = weights(config)
        monkeypatch.setattr(TemporalModule, "training_step", lambda *_: pytest.fail("trains again"))
        assert weights(config) == first

    def test_does_not_go_on_from_another_config(self, config):
        train(config)
        other = replace(config, model=TemporalConfig(width=16, components=4))
        with pytest.raises(UsageError, match=r"trainer\.resume=false"):
            train(other)
        afresh = replace(other, trainer=replace(other.trainer, resume=False))
        assert load_checkpoint(train(afresh)).model.config.width == 16

    @pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
    def test_a_damaged_checkpoint_costs_one_epoch(self, config, damage, caplog):
        first = weights(config)
        last = Path(config.trainer.output_dir) / "checkpoints" / "last.ckpt"
        damage(last)
        assert weights(config) == first
        assert f"{last}: damaged or missing; going on from the epoch before" in caplog.text

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_if_the_epoch_before_is_damaged_too_it_is_a_usage_error(self, config, damage):
        train(config)
        for name in ("last.ckpt", "previous.ckpt"):
            damage(Path(config.trainer.output_dir) / "checkpoints" / name)
        with pytest.raises(UsageError, match=r"last\.ckpt: damaged; set trainer\.resume=false to start again"):
            train(config)

    def test_a_full_disk_costs_no_epoch(self, config, monkeypatch):
        """The disk is full when the second epoch is kept, and not when training starts again."""
        first = weights(elsewhere(config, "through"))
        write_bytes = Path.write_bytes

        def full(path, content):
            if path.parent.name == "checkpoints" and (path.parent / "last.ckpt").exists():
                write_bytes(path, bytes(content)[:1000])
                raise OSError(ENOSPC, "No space left on device")
            return write_bytes(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            with pytest.raises(OSError, match="No space left"):
                train(config)
        folder = Path(config.trainer.output_dir) / "checkpoints"
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "last.ckpt"]
        assert is_whole(folder / "last.ckpt")
        assert weights(config) == first

    def test_fakes_are_refused(self, config):
        (Path(config.data.root) / "FakeVideo-RealAudio").mkdir()
        with pytest.raises(UsageError, match="fakes"):
            train(config)

    def test_a_logger_that_is_not_installed_is_a_usage_error(self, config, monkeypatch):
        monkeypatch.setattr(run, "find_spec", lambda _: None)
        with pytest.raises(UsageError, match="wandb is not installed"):
            train(elsewhere(config, "out", loggers=["wandb"]))


class TestClips:
    def test_those_that_are_too_short_are_left_out_and_why_is_logged(self, config, videos, caplog):
        quiet = torch.zeros(T)
        quiet[:12] = 1
        short = {
            videos[0]: made_up(0, mouths, mel, frames=24),
            videos[1]: made_up(1, mouths, mel, share=quiet),
        }
        fill(Path(config.data.cache), "mouth+mel", True, short)
        with caplog.at_level(logging.INFO):
            notes = load_checkpoint(train(config)).notes["provenance"]["data"]
        assert (notes["clips"], notes["left_out"]) == (3, 2)
        assert "video0/1.mp4: left out, too_short: a face is seen for 0.96 s; 1.0 s are needed" in caplog.text
        assert "video1/1.mp4: left out, no_speech: 0.48 s of speech while a face is seen" in caplog.text
        assert "5 clips long enough to train on, 2 left out (1 too_short, 1 no_speech)" in caplog.text

    def test_that_cannot_be_used_leave_nothing_to_train_on(self, config, videos):
        for video in videos:
            video.write_text("no video")
        with pytest.raises(UsageError, match=r"no usable clip on one side of the split \(7 were left out\)"):
            train(config)

    def test_that_are_the_same_under_another_name_continue_a_training(self, config, videos):
        first = weights(config)
        videos[0].rename(videos[0].with_name("2.mp4"))
        assert weights(config) == first

    def test_that_are_others_do_not(self, config, videos):
        train(config)
        fill(Path(config.data.cache), "mouth+mel", True, {_changed(videos[0]): made_up(9, mouths, mel)})
        with pytest.raises(UsageError, match="another config or other clips"):
            train(config)


def _changed(video):
    video.write_text("something else, longer")
    return video


class TestHead:
    """The head of AVH-Align on the features of a small backbone."""

    @pytest.fixture
    def config(self, tmp_path, data, videos):
        clips = {path: made_up(index, halves, halves) for index, path in enumerate(videos)}
        fill(tmp_path / "cache", "temporal", False, clips)
        return MLPTraining(
            backbone="temporal",
            data=data,
            optim=PlateauConfig(lr=1e-2, early_stopping_patience=2),
            trainer=FramesConfig(epochs=3, frames=64, output_dir=str(tmp_path / "out"), loggers=["csv"]),
        )

    def test_says_what_it_was_trained_on(self, config):
        notes, key = load_checkpoint(train(config)).notes, load_backbone("temporal").key
        assert (notes["backbone"], notes["features"]) == ("temporal", key)
        assert notes["provenance"]["data"]["trained_on"] == ["ann"]
        assert notes["provenance"]["config"]["features"] == key

    def test_ends_with_the_weights_of_its_best_epoch(self, config):
        """With noise for features, the validation loss only rises once the noise is learned by heart."""
        long = replace(config, trainer=replace(config.trainer, epochs=60))
        notes = load_checkpoint(train(long)).notes["provenance"]
        _, *rows = csv.DictReader((Path(config.trainer.output_dir) / "csv/version_0/metrics.csv").open())
        losses = [float(row["val_loss"]) for row in rows if row["val_loss"]]
        assert len(losses) < 60  # it stopped early
        assert notes["metrics"]["val_loss"] == pytest.approx(min(losses), abs=1e-3)

    def test_killed_and_started_again_it_ends_where_it_would_have(self, config, monkeypatch):
        through = weights(elsewhere(config, "through"))

        def killed(module):
            if module.current_epoch == 1:
                raise SystemError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(MLPModule, "on_train_epoch_end", killed)
            with pytest.raises(SystemError):
                train(config)
        assert weights(config) == through

    def test_a_training_that_ended_early_is_not_repeated(self, config, monkeypatch):
        long = replace(config, trainer=replace(config.trainer, epochs=60))
        first = weights(long)
        monkeypatch.setattr(MLPModule, "training_step", lambda *_: pytest.fail("trains again"))
        assert weights(long) == first

    def test_other_features_are_another_training(self, config, videos, tmp_path):
        train(config)
        save_checkpoint(TemporalAligner(TemporalConfig(width=8)), tmp_path / "other.safetensors", {})
        other = replace(config, backbone=f"temporal:{tmp_path / 'other.safetensors'}")
        fill(tmp_path / "cache", other.backbone, False, {path: made_up(0, halves, halves) for path in videos})
        with pytest.raises(UsageError, match=r"trainer\.resume=false"):
            train(other)


class TestSegments:
    @pytest.fixture
    def clip(self, videos, tmp_path):
        """A clip whose mouths and sound say what time it is."""

        def clock(_rng, frames):
            return np.repeat(np.arange(frames, dtype=np.uint8), 96 * 96).reshape(frames, 96, 96)

        def steps(_rng, frames):
            return np.repeat(np.arange(4 * frames, dtype=np.float32) / 4, 40).reshape(frames, 160)

        fill(tmp_path / "cache", "mouth+mel", True, {videos[0]: made_up(0, clock, steps)})
        return store_of(tmp_path / "cache", "mouth+mel", True).longest(RECORD, sha256_of(videos[0]))

    def segments(self, clip, length, speed):
        geometry = Geometry.fit([clip], 4)
        return [Segments([clip], geometry, length, speed, (0, epoch))[0] for epoch in range(30)]

    @pytest.mark.parametrize("speed", [0.0, 0.5])
    def test_lips_and_sound_keep_one_clock(self, clip, speed):
        paces = set()
        for _, mouth, mel, share in self.segments(clip, 16, speed):
            shown, heard = mouth[:, 0, 0].float(), mel[::4, 0]
            assert (shown - heard).abs().max() <= 0.5 + 1e-3
            assert share.all()
            paces.add(round(float(heard[-1] - heard[0]) / 15, 3))
        assert (len(paces) > 20) if speed else (paces == {1.0})

    def test_a_short_clip_is_filled_with_silence(self, clip):
        for geometry, mouth, mel, share in self.segments(clip, 60, 0.0):
            assert (len(geometry), len(mouth), len(mel), len(share)) == (60, 60, 240, 60)
            assert share[: T - 1].all()
            assert not share[T:].any()

    def test_half_of_the_faces_are_mirrored_with_their_geometry(self, videos, tmp_path):
        def sided(_rng, frames):
            return np.tile(np.arange(96, dtype=np.uint8), (frames, 96, 1))

        fill(tmp_path / "cache", "mouth+mel", True, {videos[0]: made_up(0, sided, mel)})
        clip = store_of(tmp_path / "cache", "mouth+mel", True).longest(RECORD, sha256_of(videos[0]))
        landmarks, fitted = clip.read("landmarks"), Geometry.fit([clip], 4)
        whole = self.segments(clip, T, 0.0)
        flipped = [bool(mouth[0, 0, 0] == 95) for _, mouth, _, _ in whole]
        assert 5 < sum(flipped) < 25
        for is_flipped, (geometry, *_) in zip(flipped, whole, strict=True):
            points = mirrored(landmarks) if is_flipped else landmarks
            expected = lip_geometry(points, np.ones(T, np.float32), fitted.mean_face, fitted.components)
            np.testing.assert_allclose(geometry, expected, atol=1e-5)


class TestDraw:
    SPEAKERS = ["many"] * 900 + ["few"] * 9 + ["one"]

    def drawn(self, power, per_speaker=4):
        order = draw_by_speaker(self.SPEAKERS, per_speaker, power, np.random.default_rng(0))
        return [self.SPEAKERS[index] for index in order]

    def test_an_epoch_has_about_as_many_clips_as_there_are_in_runs_of_one_speaker(self):
        drawn = self.drawn(0.5)
        assert abs(len(drawn) - len(self.SPEAKERS)) <= 2
        runs = [drawn[start : start + 4] for start in range(0, len(drawn), 4)]
        assert all(len(set(run)) == 1 for run in runs)

    @pytest.mark.parametrize(("power", "share"), [(1, 900 / 910), (0.5, 30 / 34), (0, 1 / 3)])
    def test_speakers_are_drawn_by_a_power_of_their_number_of_clips(self, power, share):
        drawn = self.drawn(power)
        assert drawn.count("many") / len(drawn) == pytest.approx(share, abs=0.07)

    def test_clips_of_a_run_differ_if_the_speaker_has_enough(self):
        order = draw_by_speaker(self.SPEAKERS, 4, 0, np.random.default_rng(0))
        runs = [order[start : start + 4] for start in range(0, len(order), 4)]
        assert all(len(set(run)) == 4 for run in runs if run[0] < 909)


class TestConfig:
    @pytest.mark.parametrize(
        ("file", "config"),
        [("default", TemporalTraining), ("avhubert_mlp", MLPTraining), ("hubert_resnet", ResNetTraining)],
    )
    def test_the_shipped_files_name_every_key_with_its_default(self, file, config):
        assert OmegaConf.load(DEFAULT.with_stem(file)) == OmegaConf.structured(config)
        assert isinstance(load_config(DEFAULT.with_stem(file), ["data.root=x"]), config)

    def test_overrides_count(self):
        config = load_config(DEFAULT, ["data.root=/real", "optim.lr=1", "data.exclude=[a,'b_*']", "model.pixels=false"])
        assert config.data.root == "/real"
        assert config.optim.lr == 1.0
        assert config.data.exclude == ["a", "b_*"]
        assert config.model == TemporalConfig(pixels=False)
        assert config.augment == AugmentConfig()

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("data.rot=x", r"data\.rot: Key 'rot' not in 'DataConfig'"),
            ("model.width=wide", r"model\.width: Value 'wide'"),
            ("model=3", "Merge error"),
            ("recipe=mlp", "Key 'model' not in 'MLPTraining'"),
            ("recipe=gan", "recipe: unknown gan; known: temporal, mlp, resnet"),
            ("trainer.epochs=0", r"trainer\.epochs"),
            ("trainer.per_speaker=5", r"trainer\.batch_size must be a multiple of trainer\.per_speaker"),
            ("trainer.loggers=[csv,paper]", "unknown paper"),
            ("augment.speed=-1", r"augment\.speed"),
            ("data.validation_share=1.5", r"data\.validation_share"),
            ("optim.lr=0", r"optim\.lr"),
            ("model.pixels", "write key=value"),
            ("data.exclude=[a", "write key=value"),
            ("data.exclude=[*]", "write key=value"),
        ],
    )
    def test_what_is_wrong_is_said_in_one_line(self, override, said):
        with pytest.raises(UsageError, match=said) as error:
            load_config(DEFAULT, ["data.root=x", override])
        assert "\n" not in str(error.value)

    def test_the_data_must_be_named(self):
        with pytest.raises(UsageError, match=r"data\.root"):
            load_config(DEFAULT)

    @pytest.mark.parametrize(
        "text",
        [
            "[1, 2]",
            "a: [",
            "just text",
            "\x00",
            "optim: {lr: " + "9" * 400 + "}",
            "a: " + "[" * 20_000,
            "a: &a [*a]",
            "a: !!python/object/apply:os.getcwd []",
            "recipe: " + "x" * 100_000,
        ],
        ids=range(9),
    )
    def test_a_file_that_is_no_config_is_a_usage_error(self, tmp_path, text):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(UsageError) as error:
            load_config(tmp_path / "c.yaml", ["data.root=x"])
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 600

    def test_a_missing_file_is_a_usage_error(self, tmp_path):
        with pytest.raises(UsageError, match="no such config file"):
            load_config(tmp_path / "c.yaml")
