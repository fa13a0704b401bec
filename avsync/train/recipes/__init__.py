"""What each recipe trains. To add a recipe: a config class in `avsync.train.config`, and a function here."""

from typing import Any

from avsync.encoders.registry import Backbone
from avsync.train.config import (
    AppearanceTraining,
    AutoencoderTraining,
    FinetuneTraining,
    MLPTraining,
    ResNetTraining,
    TemporalTraining,
    TrainingConfig,
    VocoderTraining,
    VoiceLinearTraining,
    VoiceReconstructionTraining,
    VoiceStfpmTraining,
)
from avsync.train.recipes import face, lips, speech
from avsync.train.recipes.training import Fitted, Training
from avsync.train.split import Split

__all__ = ["Fitted", "Training", "build"]


def build(config: TrainingConfig, split: Split[Any], backbone: Backbone | None) -> Training | Fitted:
    """The training that a config describes. Initial weights come from torch's generator.

    Args:
        config: of the training.
        split: the recordings.
        backbone: the encoders whose features are read; None for trainings that read samples.
    """
    match config:
        case TemporalTraining():
            return lips.temporal(config, split)
        case MLPTraining():
            assert backbone is not None
            return lips.mlp(config, backbone, split)
        case ResNetTraining():
            assert backbone is not None
            return lips.resnet(config, backbone, split)
        case VocoderTraining():
            return speech.vocoder(config, split)
        case VoiceReconstructionTraining():
            return speech.reconstruction(config, split)
        case VoiceStfpmTraining():
            return speech.stfpm(config, split)
        case VoiceLinearTraining():
            return speech.linear(config, split)
        case AutoencoderTraining():
            return face.autoencoder(config, split)
        case AppearanceTraining():
            return face.appearance(config, split)
        case FinetuneTraining():
            return face.finetuned(config, split)
