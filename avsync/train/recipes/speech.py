"""What the recipes of speech alone train: a model, how it learns, and what from."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.config import DataConfig
from avsync.encoders.registry import load_speech_encoder
from avsync.media import RATE
from avsync.progress import counting
from avsync.reconstruct.channel import Chances, Channel
from avsync.reconstruct.neural.model import VocoderModel
from avsync.reconstruct.neural.module import VocoderModule
from avsync.reconstruct.pieces import PiecesData
from avsync.speech.utterance import Utterance, read_speech
from avsync.train.config import (
    VocoderTraining,
    VoiceLinearTraining,
    VoiceReconstructionTraining,
    VoiceStfpmTraining,
)
from avsync.train.recipes.training import Fitted, Training
from avsync.train.split import Split
from avsync.voice.linear.config import FAKES, REBUILT, LinearConfig
from avsync.voice.linear.fit import fit, pooled, validated
from avsync.voice.linear.model import LinearModel
from avsync.voice.reconstruction.config import RebuildConfig, ReconstructionConfig
from avsync.voice.reconstruction.data import PairsData
from avsync.voice.reconstruction.model import ReconstructionModel
from avsync.voice.reconstruction.module import ReconstructionModule
from avsync.voice.reconstruction.pairs import Pairs, make_pairs, unique
from avsync.voice.stfpm.model import StfpmModel
from avsync.voice.stfpm.module import StfpmModule
from avsync.voice.stfpm.resnet18 import ResNet18Stages, published_weights

# What the student hears: all that is no evidence. Codecs take too long to draw them anew for each piece.
_HEARD = Chances(equaliser=0.6, room=0.2, noise=0.6, cut=0.2, bend=0.1, codec=0.0)
_LONGEST = 4 * RATE  # samples of a labelled file that are read


def vocoder(config: VocoderTraining, split: Split[Utterance]) -> Training:
    """A network that rebuilds speech."""
    model = VocoderModel(config.model)
    module = VocoderModule(model, config.optim, config.trainer)
    data = PiecesData(split.training, split.validation, config.trainer)
    return Training(model, module, data, {"name": f"avsync-vocoder-{config.model.kind}-1"})


def reconstruction(config: VoiceReconstructionTraining, split: Split[Utterance]) -> Training:
    """A network that tells real speech from reconstructed speech."""
    training, validation = _pairs(config.data, config.rebuild, split, config.trainer.seed)
    model = ReconstructionModel(ReconstructionConfig(**asdict(config.model), kinds=unique(config.rebuild.kinds)))
    module = ReconstructionModule(model, config.optim, config.trainer)
    data = PairsData(training, validation, config.trainer)
    return Training(model, module, data, {"name": "avsync-voice-1"}, gradient_clip=config.optim.clip)


def stfpm(config: VoiceStfpmTraining, split: Split[Utterance]) -> Training:
    """A student that matches its teacher on real speech."""
    model = StfpmModel(config.model)
    if config.model.teacher == "resnet18":
        assert isinstance(model.teacher, ResNet18Stages)
        model.teacher.load_published(published_weights())
    module = StfpmModule(model, config.optim, config.trainer)
    data = PiecesData(split.training, split.validation, config.trainer, _through_a_channel)
    return Training(model, module, data, {"name": "avsync-voice-stfpm-1"}, gradient_clip=config.optim.clip)


def linear(config: VoiceLinearTraining, split: Split[Utterance]) -> Fitted:
    """Logistic regression on frozen features of real and reconstructed, or labelled, speech."""
    encoder = load_speech_encoder(config.backbone)
    said = LinearConfig(config.backbone, encoder.key, encoder.dim, FAKES if config.labelled else REBUILT)
    empty = LinearModel(said)
    if config.labelled:
        training, validation = (_labelled(files) for files in (split.training, split.validation))
    else:
        pairs = _pairs(config.data, config.rebuild, split, config.trainer.seed)
        training, validation = (_unpaired(of) for of in pairs)
    model = fit(said, pooled(empty, training[0]), training[1])
    metrics = validated(model, pooled(empty, validation[0]), validation[1])
    return Fitted(model, metrics, {"name": "avsync-voice-linear-1"})


Labelled = tuple[list[NDArray[np.float32]], NDArray[np.bool_]]


def _pairs(data: DataConfig, rebuild: RebuildConfig, split: Split[Utterance], seed: int) -> tuple[Pairs, Pairs]:
    """Pairs of speakers to train on, and of others with the kinds that are left out, if there are such."""
    folder, made = Path(data.cache), []
    unseen = rebuild.left_out or rebuild.kinds
    for files, kinds, count in (
        (split.training, rebuild.kinds, rebuild.pairs),
        (split.validation, unseen, rebuild.validation_pairs),
    ):
        with counting("reconstructing") as on_progress:
            made.append(
                make_pairs(files, kinds, count, seed, folder, workers=data.num_workers, on_progress=on_progress)
            )
    return made[0], made[1]


def _unpaired(pairs: Pairs) -> Labelled:
    speech = [(samples / np.float32(32768)).astype(np.float32) for samples in (*pairs.real, *pairs.rebuilt)]
    return speech, np.arange(len(speech)) >= len(pairs.real)


def _labelled(files: Sequence[Utterance]) -> Labelled:
    speech = [read_speech(file.path)[:_LONGEST] for file in files]
    return speech, np.array([file.fake for file in files])


def _through_a_channel(piece: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    return Channel(rng, _HEARD)(piece)
