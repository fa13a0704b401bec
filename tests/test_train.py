"""From a config to a checkpoint; the clips are made up, the training is real."""

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.numpy import save_file

from avsync.align import TemporalConfig, TemporalAligner, load_checkpoint
from avsync.align.temporal.augment import AugmentConfig
from avsync.align.temporal.data import Geometry, Segments
from avsync.align.mlp.module import MLPModule
from avsync.align.temporal.module import TemporalModule
from avsync.config import (
    Config,
    DataConfig,
    FramesConfig,
    MLPTraining,
    PlateauConfig,
    ResNetTraining,
    SegmentsConfig,
    load_config,
)
from avsync.datasets.prepare import PreparedClip
from avsync.errors import UsageError
from avsync.features import Backbone
from avsync.train import fit, heads, temporal, train

T = 40
DEFAULT = Path(__file__).parents[1] / "configs" / "default.yaml"


def made_up_clip(path, seed):
    rng = np.random.default_rng(seed)
    landmarks = np.random.default_rng(0).uniform(0, 100, (68, 2)) + rng.normal(0, 1, (T, 68, 2))
    arrays = {
        "mouth": rng.integers(0, 256, (T, 96, 96), np.uint8),
        "landmarks": landmarks.astype(np.float32),
        "mel": rng.normal(-5, 2, (4 * T, 40)).astype(np.float32),
        "speech": np.ones(T, np.float32),
    }
    save_file(arrays, path)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Five clips of ann to train on and one each of bob and cid to validate on; two steps an epoch."""
    for index, speaker in enumerate(["ann"] * 5 + ["bob", "cid"]):
        video = tmp_path / "real" / "dev" / "mp4" / speaker / f"video{index}" / "1.mp4"
        video.parent.mkdir(parents=True)
        video.touch()
        made_up_clip(video.with_suffix(".safetensors"), index)

    def prepared(records, _folder, _workers):
        return [PreparedClip(record, record.path.with_suffix(".safetensors")) for record in records], []

    monkeypatch.setattr(temporal, "prepare", prepared)
    torch.set_num_threads(1)
    return Config(
        data=DataConfig(root=str(tmp_path / "real"), validation=["bob", "cid"], licence="CC BY 4.0"),
        model=TemporalConfig(width=8, components=4),
        trainer=SegmentsConfig(epochs=2, batch_size=2, segment=16, out=str(tmp_path / "out"), loggers=["csv"]),
    )


def elsewhere(config, name, **changes):
    out = str(Path(config.trainer.out).with_name(name))
    return replace(config, trainer=replace(config.trainer, out=out, **changes))


def weights(config):
    return load_checkpoint(train(config)).sha256


class TestTrain:
    def test_writes_a_checkpoint_that_says_where_it_comes_from(self, config, capfd):
        path = train(config)
        assert path == Path(config.trainer.out) / "model.safetensors"
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
        assert notes["config"]["trainer"] == {"epochs": 2, "batch_size": 2, "segment": 16, "seed": 0}
        assert set(notes["metrics"]) == {"retrieval", "swap_auc"}
        assert str(path.parent) not in path.with_suffix(".json").read_text()
        assert capfd.readouterr() == ("", "")

    def test_learns_and_logs(self, config):
        model = load_checkpoint(train(config)).model
        torch.manual_seed(config.trainer.seed)
        untrained = TemporalAligner(config.model)
        assert not torch.equal(*(m.state_dict()["_speech.layers.0.weight"] for m in (model, untrained)))
        header, *rows = (Path(config.trainer.out) / "csv/version_0/metrics.csv").read_text().splitlines()
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
        assert not (Path(config.trainer.out) / "model.safetensors").exists()
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

    @pytest.mark.parametrize("keep", [0, 10, -500])
    def test_a_damaged_checkpoint_is_a_usage_error(self, config, keep):
        train(config)
        last = Path(config.trainer.out) / "checkpoints" / "last.ckpt"
        last.write_bytes(last.read_bytes()[:keep])
        with pytest.raises(UsageError, match="damaged"):
            train(config)

    def test_fakes_are_refused(self, config):
        (Path(config.data.root) / "FakeVideo-RealAudio").mkdir()
        with pytest.raises(UsageError, match="fakes"):
            train(config)

    def test_a_logger_that_is_not_installed_is_a_usage_error(self, config, monkeypatch):
        monkeypatch.setattr(fit, "find_spec", lambda _: None)
        with pytest.raises(UsageError, match="wandb is not installed"):
            train(elsewhere(config, "out", loggers=["wandb"]))

    def test_clips_that_cannot_be_used_leave_nothing_to_train_on(self, config, monkeypatch):
        monkeypatch.setattr(temporal, "prepare", lambda *_: ([], []))
        with pytest.raises(UsageError, match="no usable clip"):
            train(config)


class TestHead:
    """The head of AVH-Align on features that are made up; the training is real."""

    BACKBONE = Backbone("made+up", SimpleNamespace(dim=6, key="a"), SimpleNamespace(dim=4, key="b"))

    @pytest.fixture
    def config(self, config, monkeypatch):
        def stored(records, _data, _backbone):
            for index, record in enumerate(records):
                rng = np.random.default_rng(index)
                lips, speech = (rng.normal(size=(T, dim)).astype(np.float16) for dim in (6, 4))
                path = record.path.with_suffix(".safetensors")
                save_file({"lips": lips, "speech": speech, "weight": np.ones(T, np.float32)}, path)
            return [PreparedClip(record, record.path.with_suffix(".safetensors")) for record in records]

        monkeypatch.setattr(heads, "_stored", stored)
        return MLPTraining(
            data=config.data,
            optim=PlateauConfig(lr=1e-2, stop=2),
            trainer=FramesConfig(epochs=3, frames=64, out=config.trainer.out, loggers=["csv"]),
        )

    def weights(self, config):
        return load_checkpoint(heads.train_mlp(config, self.BACKBONE)).sha256

    def test_says_what_it_was_trained_on(self, config):
        notes = load_checkpoint(heads.train_mlp(config, self.BACKBONE)).notes
        assert (notes["backbone"], notes["features"]) == ("made+up", "a+b")
        assert notes["provenance"]["data"]["trained_on"] == ["ann"]
        assert notes["provenance"]["config"]["features"] == "a+b"

    def test_ends_with_the_weights_of_its_best_epoch(self, config):
        """With noise for features, the validation loss only rises once the noise is learned by heart."""
        long = replace(config, trainer=replace(config.trainer, epochs=60))
        notes = load_checkpoint(heads.train_mlp(long, self.BACKBONE)).notes["provenance"]
        _, *rows = csv.DictReader((Path(config.trainer.out) / "csv/version_0/metrics.csv").open())
        losses = [float(row["val_loss"]) for row in rows if row["val_loss"]]
        assert len(losses) < 60  # it stopped early
        assert notes["metrics"]["val_loss"] == pytest.approx(min(losses), abs=1e-3)

    def test_killed_and_started_again_it_ends_where_it_would_have(self, config, monkeypatch):
        through = self.weights(elsewhere(config, "through"))

        def killed(module):
            if module.current_epoch == 1:
                raise SystemError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(MLPModule, "on_train_epoch_end", killed)
            with pytest.raises(SystemError):
                heads.train_mlp(config, self.BACKBONE)
        assert self.weights(config) == through

    def test_a_training_that_ended_early_is_not_repeated(self, config, monkeypatch):
        long = replace(config, trainer=replace(config.trainer, epochs=60))
        first = self.weights(long)
        monkeypatch.setattr(MLPModule, "training_step", lambda *_: pytest.fail("trains again"))
        assert self.weights(long) == first

    def test_other_features_are_another_training(self, config):
        heads.train_mlp(config, self.BACKBONE)
        other = replace(self.BACKBONE, speech=SimpleNamespace(dim=4, key="c"))
        with pytest.raises(UsageError, match=r"trainer\.resume=false"):
            heads.train_mlp(config, other)


class TestSegments:
    @pytest.fixture
    def clip(self, tmp_path):
        """A clip whose mouths and sound say what time it is."""
        path = tmp_path / "clock.safetensors"
        made_up_clip(path, 0)
        clip = PreparedClip(None, path)
        arrays = {name: clip.read(name) for name in ("landmarks", "speech")}
        arrays["mouth"] = np.repeat(np.arange(T, dtype=np.uint8), 96 * 96).reshape(T, 96, 96)
        arrays["mel"] = np.repeat(np.arange(4 * T, dtype=np.float32) / 4, 40).reshape(4 * T, 40)
        save_file(arrays, path)
        return clip

    def segments(self, clip, length, speed):
        geometry = Geometry.fit([clip], 4)
        return [Segments([clip], geometry, length, speed, (0, epoch))[0] for epoch in range(30)]

    @pytest.mark.parametrize("speed", [0.0, 0.5])
    def test_lips_and_sound_keep_one_clock(self, clip, speed):
        paces = set()
        for _, mouth, mel, speech in self.segments(clip, 16, speed):
            seen, heard = mouth[:, 0, 0].float(), mel[::4, 0]
            assert (seen - heard).abs().max() <= 0.5 + 1e-3
            assert speech.all()
            paces.add(round(float(heard[-1] - heard[0]) / 15, 3))
        assert (len(paces) > 20) if speed else (paces == {1.0})

    def test_a_short_clip_is_filled_with_silence(self, clip):
        for geometry, mouth, mel, speech in self.segments(clip, 60, 0.0):
            assert (len(geometry), len(mouth), len(mel), len(speech)) == (60, 60, 240, 60)
            assert speech[: T - 1].all()
            assert not speech[T:].any()


class TestConfig:
    @pytest.mark.parametrize(
        ("file", "config"),
        [("default", Config), ("avhubert_mlp", MLPTraining), ("hubert_resnet", ResNetTraining)],
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
            ("method=mlp", "Key 'model' not in 'MLPTraining'"),
            ("method=gan", "method: unknown gan; known: temporal, mlp, resnet"),
            ("trainer.epochs=0", r"trainer\.epochs"),
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

    @pytest.mark.parametrize("text", ["[1, 2]", "a: [", "just text", "\x00"])
    def test_a_file_that_is_no_config_is_a_usage_error(self, tmp_path, text):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(UsageError):
            load_config(tmp_path / "c.yaml", ["data.root=x"])

    def test_a_missing_file_is_a_usage_error(self, tmp_path):
        with pytest.raises(UsageError, match="no such config file"):
            load_config(tmp_path / "c.yaml")
