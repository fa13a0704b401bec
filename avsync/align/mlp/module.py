"""Training of the AVH-Align head: real clips only, no label but time itself."""

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from avsync.align.lattice import TAU
from avsync.align.losses import SPOKEN, misalignment
from avsync.align.mlp.data import Batch
from avsync.align.mlp.head import MLPAligner
from avsync.config import PlateauConfig

# A frame counts as found when the best offset is this near.
_NEAR = 1


class MLPModule(LightningModule):
    """Logs `train_loss`, and of unseen speakers `val_loss` and `val_accuracy`.

    Args:
        model: the head.
        optim: of Adam and its plateaus; stopping early is the trainer's.
    """

    def __init__(self, model: MLPAligner, optim: PlateauConfig) -> None:
        super().__init__()
        self.model = model
        self._optim = optim
        self._sums = torch.zeros(4)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of one batch of frames."""
        loss = self.model.loss(*batch)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch.lips))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the clips of the epoch before."""
        self._sums = torch.zeros(4)

    def validation_step(self, clip: Batch, _index: int) -> None:
        """Judge one whole clip."""
        fits = self.model(clip.lips, clip.speech, clip.heard)
        best = fits.masked_fill(clip.heard == 0, -torch.inf).argmax(dim=1)
        spoken = clip.weight > SPOKEN
        found = spoken & ((best - TAU).abs() <= _NEAR)
        sums = (misalignment(fits) @ clip.weight, clip.weight.sum(), found.sum(), spoken.sum())
        self._sums += torch.tensor([float(x) for x in sums])

    def on_validation_epoch_end(self) -> None:
        """Log the loss, the mean over speech, and the share of spoken frames that fit best within ±1 frame of it."""
        loss, weight, found, spoken = self._sums
        self.log("val_loss", loss / weight.clamp(min=1e-6), prog_bar=True)
        self.log("val_accuracy", found / spoken.clamp(min=1), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Adam, whose rate falls when `val_loss` no longer does."""
        optimizer = Adam(self.parameters(), lr=self._optim.lr)
        schedule = ReduceLROnPlateau(optimizer, factor=0.1, patience=self._optim.patience)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
