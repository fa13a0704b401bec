"""Training of the AVH-Align head on real clips without labels."""

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from avsync.align.devices import mean_over_devices
from avsync.align.lattice import TAU
from avsync.align.losses import SPOKEN, misalignment
from avsync.align.mlp.data import Batch
from avsync.align.mlp.model import MLPAligner
from avsync.config import PlateauConfig

# A best offset this close to 0 counts as right.
_NEAR = 1


class MLPModule(LightningModule):
    """Logs `train_loss`, and on unseen speakers `val_loss` and `val_accuracy`.

    Args:
        model: the head.
        optim: settings of Adam and its plateaus; the trainer stops early.
    """

    def __init__(self, model: MLPAligner, optim: PlateauConfig) -> None:
        super().__init__()
        self.model = model
        self._optim = optim
        self._sums = torch.zeros(4)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss of one batch of frames."""
        loss, count = mean_over_devices(self.model.loss(*batch), batch.speech_share.sum()), len(batch.lips)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Drop the sums of the previous epoch."""
        self._sums = torch.zeros(4)

    def validation_step(self, clip: Batch, _index: int) -> None:
        """Score one whole clip."""
        scores = self.model(clip.lips, clip.speech, clip.candidates)
        best = scores.masked_fill(clip.candidates == 0, -torch.inf).argmax(dim=1)
        spoken = clip.speech_share > SPOKEN
        right = spoken & ((best - TAU).abs() <= _NEAR)
        share = clip.speech_share
        sums = (misalignment(scores) @ share, share.sum(), right.sum(), spoken.sum())
        self._sums += torch.tensor([float(x) for x in sums])

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss over speech, and the share of spoken frames whose best offset is within ±1 frame."""
        loss, speech, right, spoken = self._sums
        self.log("val_loss", loss / speech.clamp(min=1e-6), prog_bar=True)
        self.log("val_accuracy", right / spoken.clamp(min=1), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Adam, whose learning rate falls when `val_loss` stops falling."""
        optimizer = Adam(self.parameters(), lr=self._optim.lr)
        schedule = ReduceLROnPlateau(optimizer, factor=0.1, patience=self._optim.lr_patience)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
