"""Train the default model: both encoders and what they share, from mouths, landmarks and log mel."""

from collections.abc import Sequence
from pathlib import Path

import torch

from avsync.align import TemporalAligner, save_checkpoint
from avsync.align.temporal.data import TemporalData, Geometry
from avsync.align.temporal.module import TemporalModule
from avsync.config import Config
from avsync.datasets.prepare import PreparedClip, prepare
from avsync.datasets.record import ClipRecord
from avsync.train.clips import provenance, recipe, split
from avsync.train.fit import Run

NAME = "avsync-temporal-1"


def train_temporal(config: Config) -> Path:
    """Prepare the clips, train, and write `<out>/model.safetensors` with its JSON; see `avsync.train.train`."""

    def usable(records: Sequence[ClipRecord]) -> list[PreparedClip]:
        return prepare(records, Path(config.data.cache), config.data.workers)[0]

    clips = split(config.data, config.trainer.seed, usable)
    made_by = recipe(config, clips)
    run = Run(config.trainer, made_by)
    torch.manual_seed(config.trainer.seed)
    model = TemporalAligner(config.model)
    geometry = Geometry.fit(clips.training, config.model.components)
    model.mean_face.copy_(torch.from_numpy(geometry.mean_face))
    model.components.copy_(torch.from_numpy(geometry.components))
    module = TemporalModule(model, config.optim, config.augment, config.trainer.seed)
    data = TemporalData(clips.training, clips.validation, geometry, config.augment, config.trainer)
    metrics = run.fit(module, data, clip=config.optim.clip)
    path = Path(config.trainer.out) / "model.safetensors"
    save_checkpoint(model, path, {"name": NAME, "provenance": provenance(config.data, made_by, clips, metrics)})
    return path
