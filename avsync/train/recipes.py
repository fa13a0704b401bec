"""What each recipe trains: its model, how the model learns, and what it learns from.

To add a recipe: a config class in `avsync.train.config`, and a function here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule

from avsync.align import MLPAligner, MLPConfig, ResNetAligner, ResNetConfig, TemporalAligner
from avsync.align.aligner import Aligner
from avsync.align.mlp.data import MLPData
from avsync.align.mlp.module import MLPModule
from avsync.align.resnet.data import ResNetData
from avsync.align.resnet.module import ResNetModule
from avsync.align.temporal.data import Geometry, TemporalData
from avsync.align.temporal.module import TemporalModule
from avsync.encoders.registry import Backbone
from avsync.train.clips import Split
from avsync.train.config import MLPTraining, ResNetTraining, TemporalTraining, TrainingConfig


@dataclass(frozen=True)
class Training:
    """A model that is ready to be trained.

    Attributes:
        model: the model, untrained.
        module, data: train the model, and feed it.
        notes: of the checkpoint.
        gradient_clip: norm to which gradients are clipped; None: they are not.
        early_stopping_patience: epochs without a smaller `val_loss` before training ends with the weights of the best
            epoch; None: it ends with those of the last epoch.
    """

    model: Aligner
    module: LightningModule
    data: LightningDataModule
    notes: Mapping[str, Any] = field(default_factory=dict)
    gradient_clip: float | None = None
    early_stopping_patience: int | None = None


def build(config: TrainingConfig, backbone: Backbone, clips: Split) -> Training:
    """The training that a config describes. Initial weights come from torch's generator."""
    match config:
        case TemporalTraining():
            return _temporal(config, clips)
        case MLPTraining():
            return _mlp(config, backbone, clips)
        case ResNetTraining():
            return _resnet(config, backbone, clips)


def _temporal(config: TemporalTraining, clips: Split) -> Training:
    model = TemporalAligner(config.model)
    geometry = Geometry.fit(clips.training, config.model.components)
    model.mean_face.copy_(torch.from_numpy(geometry.mean_face))
    model.components.copy_(torch.from_numpy(geometry.components))
    module = TemporalModule(model, config.optim, config.augment, config.trainer)
    data = TemporalData(clips.training, clips.validation, geometry, config.augment, config.trainer)
    return Training(model, module, data, {"name": "avsync-temporal-1"}, gradient_clip=config.optim.clip)


def _mlp(config: MLPTraining, backbone: Backbone, clips: Split) -> Training:
    model = MLPAligner(MLPConfig(backbone.lips.dim, backbone.speech.dim))
    module = MLPModule(model, config.optim)
    data = MLPData(clips.training, clips.validation, config.trainer)
    notes = {"name": "avsync-mlp-1", **_of(backbone)}
    return Training(model, module, data, notes, early_stopping_patience=config.optim.early_stopping_patience)


def _resnet(config: ResNetTraining, backbone: Backbone, clips: Split) -> Training:
    model = ResNetAligner(ResNetConfig(**asdict(config.model), speech_dim=backbone.speech.dim))
    module = ResNetModule(model, config.optim, config.trainer)
    data = ResNetData(clips.training, clips.validation, config.trainer)
    notes = {"name": "avsync-resnet-1", **_of(backbone)}
    return Training(model, module, data, notes, gradient_clip=config.optim.clip)


def _of(backbone: Backbone) -> dict[str, str]:
    """The encoders that a head needs beside its own weights."""
    return {"backbone": backbone.name, "features": backbone.key}
