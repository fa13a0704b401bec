"""Training of networks that rebuild faces."""

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn.functional import l1_loss

from avsync.align.schedule import one_cycle
from avsync.align.segments import mixed_seed
from avsync.reconstruct.autoencoder.config import AutoencoderOptim, PicturesConfig
from avsync.reconstruct.autoencoder.data import Batch
from avsync.reconstruct.autoencoder.losses import gradient_distance, structure_distance
from avsync.reconstruct.autoencoder.model import SHARED, AutoencoderModel

_SHARED_SHARE = 0.5  # of the pictures of people with a decoder of their own, those that train the shared one


class AutoencoderModule(LightningModule):
    """Trains an `AutoencoderModel`; logs `val_loss` and `psnr` (dB) of unseen people through the shared decoder."""

    def __init__(self, model: AutoencoderModel, optim: AutoencoderOptim, trainer: PicturesConfig) -> None:
        super().__init__()
        self.model, self._optim, self._seed = model, optim, trainer.seed

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of a batch. Half of the time everybody's picture goes through the shared decoder."""
        # A resumed training draws the same codes and decoders as an uninterrupted one.
        torch.manual_seed(mixed_seed(self._seed, self.global_step))
        shared = torch.rand(len(batch.whose)).to(self.device) < _SHARED_SHARE
        loss = self._loss(batch.pictures, torch.where(shared, SHARED, batch.whose))
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(shared))
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Rebuild pictures of unseen people."""
        shared = torch.full_like(batch.whose, SHARED)
        rebuilt = self.model(batch.pictures, shared)[0].clamp(0, 1)
        error = (rebuilt - batch.pictures).square().flatten(1).mean(dim=1).clamp(min=1e-10)
        self.log("psnr", -10 * error.log10().mean(), prog_bar=True, batch_size=len(shared))
        self.log("val_loss", self._loss(batch.pictures, shared), batch_size=len(shared))

    def _loss(self, pictures: Tensor, whose: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            rebuilt, of_code = self.model(pictures, whose)
        rebuilt, optim = rebuilt.float(), self._optim
        loss: Tensor = l1_loss(rebuilt, pictures) + optim.gradient * gradient_distance(rebuilt, pictures)
        loss = loss + optim.structure * structure_distance(rebuilt, pictures)
        weight = optim.code if self.model.config.kind == "kl" else 1.0
        kept_small: Tensor = weight * of_code
        return loss + kept_small

    def configure_optimizers(self) -> Any:
        """AdamW with a one-cycle schedule over the whole training."""
        return one_cycle(self, self._optim)
