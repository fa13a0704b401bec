"""What the recipes of lips and speech train: a model, how it learns, and what from."""

from dataclasses import asdict
from typing import Any

import torch

from avsync.align import MLPAligner, MLPConfig, ResNetAligner, ResNetConfig, TemporalAligner
from avsync.align.mlp.data import MLPData
from avsync.align.mlp.module import MLPModule
from avsync.align.resnet.data import ResNetData
from avsync.align.resnet.module import ResNetModule
from avsync.align.temporal.data import Geometry, TemporalData
from avsync.align.temporal.module import TemporalModule
from avsync.encoders.registry import Backbone
from avsync.train.config import MLPTraining, ResNetTraining, TemporalTraining
from avsync.train.recipes.training import Training
from avsync.train.split import Split


def temporal(config: TemporalTraining, clips: Split[Any]) -> Training:
    """The default model."""
    model = TemporalAligner(config.model)
    geometry = Geometry.fit(clips.training, config.model.components)
    model.mean_face.copy_(torch.from_numpy(geometry.mean_face))
    model.components.copy_(torch.from_numpy(geometry.components))
    module = TemporalModule(model, config.optim, config.augment, config.trainer)
    data = TemporalData(clips.training, clips.validation, geometry, config.augment, config.trainer)
    return Training(model, module, data, {"name": "avsync-temporal-1"}, gradient_clip=config.optim.clip)


def mlp(config: MLPTraining, backbone: Backbone, clips: Split[Any]) -> Training:
    """The head of AVH-Align."""
    model = MLPAligner(MLPConfig(backbone.lips.dim, backbone.speech.dim))
    module = MLPModule(model, config.optim)
    data = MLPData(clips.training, clips.validation, config.trainer)
    notes = {"name": "avsync-mlp-1", **_of(backbone)}
    return Training(model, module, data, notes, early_stopping_patience=config.optim.early_stopping_patience)


def resnet(config: ResNetTraining, backbone: Backbone, clips: Split[Any]) -> Training:
    """A ResNet of mouth crops."""
    model = ResNetAligner(ResNetConfig(**asdict(config.model), speech_dim=backbone.speech.dim))
    module = ResNetModule(model, config.optim, config.trainer)
    data = ResNetData(clips.training, clips.validation, config.trainer)
    notes = {"name": "avsync-resnet-1", **_of(backbone)}
    return Training(model, module, data, notes, gradient_clip=config.optim.clip)


def _of(backbone: Backbone) -> dict[str, str]:
    """The encoders that a head needs beside its own weights."""
    return {"backbone": backbone.name, "features": backbone.key}
