"""A model that is ready to be trained, or is fitted already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightning import LightningDataModule, LightningModule

from avsync.checkpoint import Model


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

    model: Model
    module: LightningModule
    data: LightningDataModule
    notes: Mapping[str, Any] = field(default_factory=dict)
    gradient_clip: float | None = None
    early_stopping_patience: int | None = None


@dataclass(frozen=True)
class Fitted:
    """A model that needs no steps.

    Attributes:
        model: the model, fitted.
        metrics: of the validation recordings, by name.
        notes: of the checkpoint.
    """

    model: Model
    metrics: Mapping[str, float]
    notes: Mapping[str, Any]
