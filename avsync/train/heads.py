"""Train a head on frozen features: the MLP of AVH-Align on any backbone, a ResNet of mouths beside any speech."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from avsync.align import Head, MLPAligner, MLPConfig, save_checkpoint
from avsync.align.mlp.data import MLPData
from avsync.align.mlp.module import MLPModule
from avsync.align.resnet import ResNetAligner, ResNetConfig
from avsync.align.resnet.data import ResNetData
from avsync.align.resnet.module import ResNetModule
from avsync.config import DataConfig, MLPTraining, ResNetTraining
from avsync.datasets.record import ClipRecord
from avsync.features import Backbone, FeatureStore, StoredClip, extract
from avsync.media import FPS
from avsync.progress import counting
from avsync.train.clips import Split, provenance, recipe, split
from avsync.train.fit import Run

HeadTraining = MLPTraining | ResNetTraining
# A clip that shows a face for less than this, or lets it speak for less than half as long, teaches nothing.
_SHORTEST = FPS


def train_mlp(config: MLPTraining, backbone: Backbone) -> Path:
    """Make the features, train, and write `<out>/model.safetensors` with its JSON; see `avsync.train.train`."""
    clips, made_by, run = _begin(config, backbone)
    model = MLPAligner(MLPConfig(backbone.lips.dim, backbone.speech.dim))
    module = MLPModule(model, config.optim)
    data = MLPData(clips.training, clips.validation, config.trainer)
    metrics = run.fit(module, data, stop=config.optim.stop)
    return _save(model, "avsync-mlp-1", config, backbone, provenance(config.data, made_by, clips, metrics))


def train_resnet(config: ResNetTraining, backbone: Backbone) -> Path:
    """The same with a backbone of mouth crops and speech features."""
    clips, made_by, run = _begin(config, backbone)
    model = ResNetAligner(ResNetConfig(**asdict(config.model), speech_dim=backbone.speech.dim))
    module = ResNetModule(model, config.optim, config.trainer.seed)
    data = ResNetData(clips.training, clips.validation, config.trainer)
    metrics = run.fit(module, data, clip=config.optim.clip)
    return _save(model, "avsync-resnet-1", config, backbone, provenance(config.data, made_by, clips, metrics))


def _begin(config: HeadTraining, backbone: Backbone) -> tuple[Split[StoredClip], dict[str, Any], Run]:
    """The clips, what the weights depend on, and the run; from here on what is random depends on the seed alone."""
    clips = split(config.data, config.trainer.seed, lambda records: _stored(records, config.data, backbone))
    made_by = recipe(config, clips) | {"features": backbone.key}
    run = Run(config.trainer, made_by)
    torch.manual_seed(config.trainer.seed)
    return clips, made_by, run


def _save(model: Head, name: str, config: HeadTraining, backbone: Backbone, made: dict[str, Any]) -> Path:
    path = Path(config.trainer.out) / "model.safetensors"
    notes = {"name": name, "backbone": backbone.name, "features": backbone.key, "provenance": made}
    save_checkpoint(model, path, notes)
    return path


def _stored(records: Sequence[ClipRecord], config: DataConfig, backbone: Backbone) -> list[StoredClip]:
    """The features of the clips, made where the store lacks them; too short ones are left out."""
    store = FeatureStore(Path(config.cache), backbone.key, "default")
    with counting("extracting") as hook:
        kept = extract(records, backbone, store, workers=config.workers, hook=hook)
    clips = [store.longest(record, key) for record, key in kept]
    return [clip for clip in clips if clip.frames() >= _SHORTEST and clip.read("weight").sum() >= _SHORTEST / 2]
