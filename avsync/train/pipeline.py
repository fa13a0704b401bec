"""The one way of training: find clips, make their features, train, and write a checkpoint."""

from pathlib import Path

import torch

from avsync.checkpoint import save_checkpoint
from avsync.encoders.registry import load_backbone
from avsync.train.clips import find_clips
from avsync.train.config import MLPTraining, ResNetTraining, TemporalTraining, TrainingConfig
from avsync.train.provenance import effective_config, provenance


def train(config: TrainingConfig) -> Path:
    """Train a model, and write `model.safetensors` and its JSON file to `trainer.output_dir`.

    Killed at any time and started again with the same config, it goes on from the last whole epoch and ends with the
    same weights. On a CPU the same config and data give the same weights.

    Returns:
        The path of the weights.

    Raises:
        UsageError: fakes in the data, no clips, a logger, package or backbone that is missing, or checkpoints in
            `trainer.output_dir` that another config or other data made.
    """
    backbone = load_backbone(_backbone(config))
    # Lightning takes seconds to import: a backbone that is missing is reported before.
    from avsync.train.recipes import build
    from avsync.train.run import Run

    # The default model takes whole clips and weighs each frame by its share of speech.
    clips = find_clips(config.data, config.trainer.seed, backbone, whole=isinstance(config, TemporalTraining))
    effective = effective_config(config, backbone.key, clips)
    run = Run(config.trainer, effective)
    torch.manual_seed(config.trainer.seed)
    training = build(config, backbone, clips)
    metrics = run.fit(training)
    path = Path(config.trainer.output_dir) / "model.safetensors"
    notes = {**training.notes, "provenance": provenance(config.data, effective, clips, metrics)}
    save_checkpoint(training.model, path, notes)
    return path


def _backbone(config: TrainingConfig) -> str:
    """The name of the encoders whose features a training reads."""
    match config:
        case TemporalTraining():
            return "mouth+mel"
        case MLPTraining():
            return config.backbone
        case ResNetTraining():
            return f"mouth+{config.speech}"
