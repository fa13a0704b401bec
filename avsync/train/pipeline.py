"""The one way of training: find recordings, train, and write a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from avsync.appearance.config import SIDE
from avsync.checkpoint import save_checkpoint
from avsync.encoders.registry import Backbone, load_backbone
from avsync.files import sha256_of
from avsync.reconstruct import face
from avsync.reconstruct.face import load_face_reconstruction
from avsync.reconstruct.speech import identity
from avsync.train.clips import find_clips
from avsync.train.config import (
    AppearanceTraining,
    AutoencoderTraining,
    FinetuneTraining,
    MLPTraining,
    ResNetTraining,
    SpeechTraining,
    TemporalTraining,
    TrainingConfig,
    VoiceLinearTraining,
    VoiceReconstructionTraining,
)
from avsync.train.footage import find_footage
from avsync.train.provenance import effective_config, provenance
from avsync.train.speech import find_labelled, find_speech
from avsync.train.split import Split
from avsync.train.stress import find_stress_pairs

# What trainings read that take no features: samples, and pictures of faces.
_SPEECH, _FOOTAGE = "speech/1", "footage/1"


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
    if isinstance(config, AutoencoderTraining):
        return Materials(find_footage(config.data, config.footage, config.model.size, config.trainer.seed), _FOOTAGE)
    if isinstance(config, AppearanceTraining):
        inputs = _of_faces(config, [*config.rebuild.kinds, *config.rebuild.left_out])
        return Materials(find_footage(config.data, config.footage, SIDE, config.trainer.seed), inputs)
    if isinstance(config, FinetuneTraining):
        inputs = _of_faces(config, [])
        pairs = find_stress_pairs(config.data, config.footage, config.stress.left_out, config.trainer.seed)
        return Materials(pairs, inputs)
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


def _of_faces(config: AppearanceTraining | FinetuneTraining, kinds: Sequence[str]) -> str:
    """What a training of faces reads: pictures, what reconstructions make of them, and the weights it starts from.

    What is missing is reported before anything is decoded.
    """
    from avsync.appearance.start import start_file

    for kind in kinds:
        load_face_reconstruction(kind)
    start = start_file(config.model.network, config.model.start)
    return " ".join([_FOOTAGE, *map(face.identity, kinds), *([sha256_of(start)] if start else [])])


def _backbone(config: TrainingConfig) -> str:
    """The name of the encoders whose features a training reads."""
    match config:
        case MLPTraining():
            return config.backbone
        case ResNetTraining():
            return f"mouth+{config.speech}"
        case _:
            return "mouth+mel"
