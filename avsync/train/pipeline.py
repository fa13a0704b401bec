"""The one way of training: find recordings, train, and write a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from avsync.checkpoint import save_checkpoint
from avsync.encoders.registry import Backbone, load_backbone
from avsync.reconstruct.speech import identity
from avsync.train.clips import find_clips
from avsync.train.config import (
    MLPTraining,
    ResNetTraining,
    SpeechTraining,
    TemporalTraining,
    TrainingConfig,
    VoiceLinearTraining,
    VoiceReconstructionTraining,
)
from avsync.train.provenance import effective_config, provenance
from avsync.train.speech import find_labelled, find_speech
from avsync.train.split import Split

_SPEECH = "speech/1"  # what trainings of speech read: samples


@dataclass(frozen=True)
class Materials:
    """What a training learns from.

    Attributes:
        split: the recordings.
        inputs: key of what is read of them.
        backbone: the encoders whose features are read; None: samples are read.
    """

    split: Split[Any]
    inputs: str
    backbone: Backbone | None = None


def train(config: TrainingConfig) -> Path:
    """Train a model, and write `model.safetensors` and its JSON file to `trainer.output_dir`.

    Killed at any time and started again with the same config, it goes on from the last whole epoch and ends with the
    same weights. On a CPU the same config and data give the same weights.

    Returns:
        The path of the weights.

    Raises:
        UsageError: fakes in the data, no recordings, a logger, package or backbone that is missing, or checkpoints in
            `trainer.output_dir` that another config or other data made.
    """
    materials = _materials(config)
    # Lightning takes seconds to import: a backbone that is missing is reported before.
    from avsync.train.recipes import Training, build
    from avsync.train.run import Run

    effective = effective_config(config, materials.inputs, materials.split)
    run = Run(config.trainer, effective)
    torch.manual_seed(config.trainer.seed)
    training = build(config, materials.split, materials.backbone)
    metrics = run.fit(training) if isinstance(training, Training) else training.metrics
    path = Path(config.trainer.output_dir) / "model.safetensors"
    notes = {**training.notes, "provenance": provenance(config.data, effective, materials.split, metrics)}
    save_checkpoint(training.model, path, notes)
    return path


def _materials(config: TrainingConfig) -> Materials:
    if isinstance(config, VoiceLinearTraining) and config.labelled:
        return Materials(find_labelled(config), _SPEECH)
    if isinstance(config, get_args(SpeechTraining)):
        return Materials(find_speech(config.data, config.trainer.seed), _inputs(config))
    backbone = load_backbone(_backbone(config))
    # The default model takes whole clips and weighs each frame by its share of speech.
    clips = find_clips(config.data, config.trainer.seed, backbone, whole=isinstance(config, TemporalTraining))
    return Materials(clips, backbone.key, backbone)


def _inputs(config: TrainingConfig) -> str:
    """What a training reads: samples, and what reconstructions make of them."""
    if not isinstance(config, VoiceReconstructionTraining | VoiceLinearTraining):
        return _SPEECH
    kinds = [identity(kind) for kind in (*config.rebuild.kinds, *config.rebuild.left_out)]
    return f"{_SPEECH} {' '.join(kinds)}"


def _backbone(config: TrainingConfig) -> str:
    """The name of the encoders whose features a training reads."""
    match config:
        case MLPTraining():
            return config.backbone
        case ResNetTraining():
            return f"mouth+{config.speech}"
        case _:
            return "mouth+mel"
