"""From a folder of speech to a model of the voice, and to the networks that rebuild speech."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from talking import voice, write

from avsync.checkpoint import load_checkpoint
from avsync.config import DataConfig, PiecesConfig, RunConfig
from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.reconstruct.neural import VocoderConfig
from avsync.reconstruct.neural.config import KINDS
from avsync.reconstruct.pieces import Pieces
from avsync.reconstruct.speech import load_reconstruction
from avsync.speech.level import LEVEL
from avsync.speech.utterance import Utterance, Utterances
from avsync.train import train
from avsync.train.config import (
    VocoderTraining,
    VoiceLinearTraining,
    VoiceReconstructionTraining,
    VoiceStfpmTraining,
    load_config,
)
from avsync.voice.reconstruction.config import NetworkConfig, PairsConfig, RebuildConfig
from avsync.voice.reconstruction.data import RandomPairs
from avsync.voice.reconstruction.masks import exchanged, masked
from avsync.voice.reconstruction.pairs import SAMPLES, make_pairs
from avsync.voice.stfpm.config import StfpmConfig, StfpmTrainerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark_voice_left_out

CONFIGS = Path(__file__).parents[1] / "configs"
CHEAP = ["lpc", "sinusoidal"]
LABELLED, PROTOCOLS = ("labelled", "labelled_validation"), "ASVspoof2019_LA_cm_protocols"
TABLES = ("ASVspoof2019.LA.cm.train.trn.txt", "ASVspoof2019.LA.cm.dev.trl.txt")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two files each of three speakers."""
    folder = tmp_path_factory.mktemp("speech")
    for number, speaker in enumerate(["ann", "bob", "cid"]):
        (folder / speaker).mkdir()
        for take in range(2):
            write(folder / speaker / f"{take}.flac", None, voice(3.0, seed=number, take=take), codec="flac")
    return folder


@pytest.fixture
def data(root, tmp_path):
    torch.set_num_threads(1)
    return DataConfig(
        root=str(root), cache=str(tmp_path / "cache"), validation=["cid"], licence="CC BY 4.0", num_workers=1
    )


def pieces(tmp_path, kind=PiecesConfig, **settings):
    said = {"epochs": 2, "steps": 2, "batch_size": 2, "samples": 4096, **settings}
    return kind(**said, loggers=["csv"], output_dir=str(tmp_path / "out"))


def pairs(tmp_path, **settings):
    said = {"epochs": 2, "batch_size": 2, "samples": 16_000, **settings}
    return PairsConfig(**said, loggers=["csv"], output_dir=str(tmp_path / "out"))


def vocoder(data, tmp_path, kind="fourier", **settings):
    strides = [160] if kind == "fourier" else [8, 5, 4]
    model = VocoderConfig(kind=kind, strides=strides, width=16, blocks=1, codebooks=2)
    return VocoderTraining(data=data, model=model, trainer=pieces(tmp_path, **settings))


def reconstruction(data, tmp_path, **settings):
    return VoiceReconstructionTraining(
        data=data,
        rebuild=RebuildConfig(kinds=CHEAP, left_out=["griffin_lim"], pairs=8, validation_pairs=4),
        model=NetworkConfig(widths=[4, 4, 6, 6]),
        trainer=pairs(tmp_path, **settings),
    )


def stfpm(data, tmp_path, **settings):
    trainer = pieces(tmp_path, StfpmTrainerConfig, samples=16_000, teacher_epochs=1, **settings)
    return VoiceStfpmTraining(data=data, model=StfpmConfig(widths=[4, 4, 6, 6]), trainer=trainer)


def linear(data, tmp_path, **settings):
    return VoiceLinearTraining(
        backbone="mel",
        data=data,
        rebuild=RebuildConfig(kinds=CHEAP, pairs=8, validation_pairs=4),
        trainer=RunConfig(epochs=1, loggers=["csv"], output_dir=str(tmp_path / "out")),
        **settings,
    )


RECIPES = {"reconstruction": reconstruction, "stfpm": stfpm, "linear": linear}


def notes(weights):
    return json.loads(weights.with_suffix(".json").read_text())


class TestRecipes:
    @pytest.mark.parametrize("recipe", RECIPES)
    def test_a_folder_of_speech_becomes_a_model_of_the_voice(self, recipe, data, tmp_path):
        weights = train(RECIPES[recipe](data, tmp_path))
        model = load_checkpoint(weights).model
        reading = model.read(voice(2.0).copy(), np.ones(50, np.float32))
        assert np.isfinite(reading.score)
        assert model.check == "voice"
        said = notes(weights)["provenance"]
        assert said["data"]["trained_on"] == ["ann", "bob"]  # cid is for validation
        assert said["data"]["licence"] == "CC BY 4.0"
        assert said["metrics"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_folder_of_speech_becomes_a_network_that_rebuilds_speech(self, kind, data, tmp_path):
        weights = train(vocoder(data, tmp_path, kind))
        rebuild = load_reconstruction(f"neural:{weights}")
        speech = voice(2.0)
        rebuilt = rebuild(speech, np.random.default_rng(0))
        assert rebuilt.shape == speech.shape
        assert rebuilt.std() == pytest.approx(speech.std(), rel=0.05)
        assert not np.allclose(rebuilt, speech, atol=0.01)

    @pytest.mark.parametrize("recipe", [vocoder, reconstruction, stfpm])
    def test_a_training_that_was_stopped_ends_with_the_same_weights(self, recipe, data, tmp_path):
        """The learning rate depends on all epochs, so the first run is stopped in the middle, not shorter."""
        whole, stopped = tmp_path / "whole", tmp_path / "stopped"
        config = recipe(data, whole)
        wanted = train(config).read_bytes()
        again = recipe(data, stopped)
        copied = Path(again.trainer.output_dir)
        shutil.copytree(config.trainer.output_dir, copied)
        (copied / "model.safetensors").unlink()
        (copied / "checkpoints" / "last.ckpt").unlink()  # as if it was killed in the last epoch
        assert train(again).read_bytes() == wanted

    def test_what_rebuilds_speech_is_known_by_its_weights(self, data, tmp_path):
        """The name of a file says nothing of what is in it."""
        network = train(vocoder(data, tmp_path / "vocoder", epochs=1))
        config = reconstruction(data, tmp_path)
        config = replace(config, rebuild=replace(config.rebuild, kinds=["lpc", f"neural:{network}"]))
        said = notes(train(config))["provenance"]["config"]["features"]
        assert sha256_of(network) in said

    def test_the_reconstructions_that_are_left_out_validate(self, data, tmp_path):
        weights = train(reconstruction(data, tmp_path))
        assert notes(weights)["provenance"]["config"]["rebuild"]["left_out"] == ["griffin_lim"]
        assert notes(weights)["model"]["kinds"] == CHEAP

    def test_a_tree_with_fakes_is_refused(self, data, tmp_path):
        fakes = tmp_path / "tree" / "FakeVideo-FakeAudio" / "ann"
        fakes.mkdir(parents=True)
        write(fakes / "1.flac", None, voice(2.0), codec="flac")
        with pytest.raises(UsageError, match="real recordings only"):
            train(reconstruction(replace(data, root=str(tmp_path / "tree")), tmp_path))

    def test_a_reconstruction_that_is_not_known_is_refused_before_anything_is_made(self, data, tmp_path):
        config = reconstruction(data, tmp_path)
        config = replace(config, rebuild=replace(config.rebuild, kinds=["vocoder9000"]))
        with pytest.raises(UsageError, match="vocoder9000"):
            train(config)
        assert not (tmp_path / "cache").exists()

    def test_the_data_set_can_be_named(self, data, tmp_path):
        with pytest.raises(UsageError, match="LibriSpeech"):
            train(vocoder(replace(data, dataset="librispeech"), tmp_path))

    def test_files_that_cannot_be_read_are_left_out_and_counted(self, root, data, tmp_path):
        tree = shutil.copytree(root, tmp_path / "tree")
        (tree / "ann" / "broken.flac").write_bytes(b"not sound")
        write(tree / "ann" / "short.flac", None, voice(2.0)[:4000], codec="flac")
        weights = train(vocoder(replace(data, root=str(tree)), tmp_path))
        assert notes(weights)["provenance"]["data"]["left_out"] == 2

    @pytest.mark.parametrize(
        "name", ["vocoder.yaml", "voice_reconstruction.yaml", "voice_stfpm.yaml", "voice_linear.yaml"]
    )
    def test_the_configs_that_are_shipped_are_valid(self, name):
        assert load_config(CONFIGS / name, ["data.root=x"]).data.root == "x"


class TestLeavingOut:
    def test_every_family_is_left_out_in_turn_and_some_kinds_always(self, data, tmp_path):
        kinds = RebuildConfig(["lpc", "lpc_residual", "sinusoidal"], ["griffin_lim"], pairs=6, validation_pairs=6)
        config = replace(reconstruction(data, tmp_path, epochs=1), rebuild=kinds)
        rows = benchmark_voice_left_out.table(config)
        assert [row["reconstruction"] for row in rows] == ["lpc", "sinusoidal", "griffin_lim"]
        assert rows[2]["learned from"] == "–"
        assert all(0 <= row["left out"].value <= 1 for row in rows)
        assert all(0 <= row["learned from"].value <= 1 for row in rows[:2])


class TestLabelled:
    @pytest.fixture
    def asvspoof(self, tmp_path):
        """ASVspoof 2019 LA in small: eight utterances in each of three parts."""
        base = tmp_path / "LA"
        for part in ("train", "dev", "eval"):
            sound = base / f"ASVspoof2019_LA_{part}" / "flac"
            sound.mkdir(parents=True)
            lines = []
            for index in range(8):
                fake, name = index % 2 == 1, f"LA_{part[0].upper()}_{index:07d}"
                lines.append(f"LA_{index % 4:04d} {name} - {'A01 spoof' if fake else '- bonafide'}")
                speech = voice(2.0, seed=index % 4)
                speech = speech + 0.02 * np.random.default_rng(index).normal(size=len(speech)) if fake else speech
                write(sound / f"{name}.flac", None, speech.astype(np.float32), codec="flac")
            protocols = base / PROTOCOLS
            protocols.mkdir(exist_ok=True)
            ending = "trn" if part == "train" else "trl"
            (protocols / f"ASVspoof2019.LA.cm.{part}.{ending}.txt").write_text("\n".join(lines) + "\n")
        return base

    def test_labels_of_a_data_set_give_a_baseline_that_says_so(self, asvspoof, data, tmp_path):
        tables = {key: str(asvspoof / PROTOCOLS / name) for key, name in zip(LABELLED, TABLES, strict=True)}
        weights = train(linear(replace(data, root=str(asvspoof)), tmp_path, **tables))
        assert load_checkpoint(weights).model.learned_from == "labelled fakes"

    def test_a_table_without_fakes_has_no_labels_to_learn(self, asvspoof, data, tmp_path):
        table = asvspoof / PROTOCOLS / TABLES[0]
        table.write_text("".join(line for line in table.read_text().splitlines(True) if "bonafide" in line))
        with pytest.raises(UsageError, match="no real or no fake file"):
            train(linear(replace(data, root=str(asvspoof)), tmp_path, **dict.fromkeys(LABELLED, str(table))))


class TestPairs:
    def made(self, root, folder, count=6, seed=0, kinds=CHEAP):
        files = [Utterance(path, path.parent.name, path.stem + path.parent.name, 3.0) for path in root.glob("*/*.flac")]
        return make_pairs(sorted(files, key=str), kinds, count, seed, folder, workers=1, on_progress=lambda *_: None)

    def test_the_kinds_take_turns(self, root, tmp_path):
        found = self.made(root, tmp_path)
        assert found.real.shape == found.rebuilt.shape == (6, SAMPLES)
        assert found.kinds.tolist() == [0, 1, 0, 1, 0, 1]

    def test_real_and_rebuilt_say_the_same_at_the_same_time(self, root, tmp_path):
        found = self.made(root, tmp_path)
        for real, rebuilt in zip(found.real, found.rebuilt, strict=True):
            loud = [np.abs(x.astype(float)).reshape(-1, 640).mean(axis=1) for x in (real, rebuilt)]
            assert np.corrcoef(*loud)[0, 1] > 0.7
            assert not np.array_equal(real, rebuilt)

    def test_they_are_made_once(self, root, tmp_path, monkeypatch):
        first = self.made(root, tmp_path)
        monkeypatch.setattr("avsync.voice.reconstruction.pairs._make", None)
        assert np.array_equal(self.made(root, tmp_path).rebuilt, first.rebuilt)

    def test_a_torn_file_is_made_again(self, root, tmp_path):
        first = self.made(root, tmp_path)
        (file,) = tmp_path.glob("*/*.safetensors")
        file.write_bytes(file.read_bytes()[:1000])
        assert np.array_equal(self.made(root, tmp_path).rebuilt, first.rebuilt)

    def test_other_settings_make_others(self, root, tmp_path):
        assert not np.array_equal(self.made(root, tmp_path).real, self.made(root, tmp_path, seed=1).real)

    def test_a_draw_has_every_pair_once_and_cuts_real_and_rebuilt_at_the_same_place(self, root, tmp_path):
        found = self.made(root, tmp_path)
        drawn = RandomPairs(found, 16_000, (0, 0))
        assert sorted(int(drawn[i].kind) for i in range(6)) == [0, 0, 0, 1, 1, 1]
        assert {len(drawn[i].real) for i in range(6)} == {16_000}
        again, other = RandomPairs(found, 16_000, (0, 0)), RandomPairs(found, 16_000, (0, 1))
        assert torch.equal(drawn[0].real, again[0].real)
        assert not all(torch.equal(drawn[i].real, other[i].real) for i in range(6))


def test_exchanged_parts_are_labelled_where_they_are():
    real, rebuilt = torch.zeros(60, 212, 40), torch.ones(60, 212, 40)
    places = exchanged(real, rebuilt, torch.Generator().manual_seed(0))
    assert torch.equal(places.spectrograms, places.rebuilt)  # ones came from rebuilt speech
    share = places.rebuilt.mean(dim=(1, 2))
    assert torch.allclose(share[:60] + share[60:], torch.ones(60))  # what one loses, the other gets
    assert 0.3 < float((share[:60] > 0).float().mean()) < 0.7  # about half of the pairs


def test_hidden_bands_are_hidden_at_all_times_and_nothing_else_changes():
    spectrograms = torch.rand(40, 212, 30) + 1
    found = masked(spectrograms, torch.Generator().manual_seed(0))
    hidden = (found == 0).all(dim=2)
    assert torch.equal(found, spectrograms.masked_fill(hidden[:, :, None], 0))
    assert 0.3 < hidden.any(dim=1).float().mean() < 0.9
    assert not hidden.all(dim=1).any()


class TestPieces:
    def test_a_piece_is_no_pause(self, tmp_path):
        speech = np.concatenate([np.zeros(48_000, np.float32), voice(1.0)])
        path = write(tmp_path / "a.flac", None, speech, codec="flac")
        files = Utterances([Utterance(path, "ann", "a", 4.0)])
        levels = [np.abs(files.random_piece(8000, np.random.default_rng(seed))).max() for seed in range(20)]
        assert np.mean(np.array(levels) > 0.01) > 0.9  # a drawn pause is drawn again

    def test_speakers_are_drawn_alike_however_many_files_they_have(self, root):
        paths = [(root / "ann" / "0.flac", "ann"), *[(root / "bob" / "0.flac", "bob")] * 9]
        files = [Utterance(path, name, str(index), 3.0) for index, (path, name) in enumerate(paths)]
        utterances, anns = Utterances(files), Utterances(files[:1])
        whole = anns.random_piece(48_000, np.random.default_rng(0))
        drawn = [utterances.random_piece(48_000, np.random.default_rng(seed)) for seed in range(40)]
        share = np.mean([np.allclose(piece, whole) for piece in drawn])
        assert 0.25 < share < 0.75

    def test_short_files_are_repeated(self, root):
        files = Utterances([Utterance(root / "ann" / "0.flac", "ann", "a", 3.0)])
        assert files.random_piece(100_000, np.random.default_rng(0)).shape == (100_000,)

    def test_the_same_draw_gives_the_same_pieces_at_nearly_the_same_level(self, root):
        files = Utterances([Utterance(root / "ann" / "0.flac", "ann", "a", 3.0)])
        one, two = (Pieces(files, 4, 8000, (0, 1), None) for _ in range(2))
        assert torch.equal(one[3], two[3])
        assert all(LEVEL / 2.1 < float(one[i].square().mean().sqrt()) < LEVEL * 2.1 for i in range(4))
