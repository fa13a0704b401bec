"""Training of the network that tells real speech from reconstructed speech."""

from typing import Any

import torch
from lightning import LightningModule
from sklearn.metrics import roc_auc_score
from torch import Generator, Tensor
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, cross_entropy

from avsync.align.schedule import one_cycle
from avsync.align.segments import mixed_seed
from avsync.config import OptimConfig
from avsync.voice.reconstruction.config import PairsConfig
from avsync.voice.reconstruction.data import Pair
from avsync.voice.reconstruction.masks import exchanged, masked
from avsync.voice.reconstruction.model import Judgement, ReconstructionModel


class ReconstructionModule(LightningModule):
    """Learns real against rebuilt, and which reconstruction it was; logs `auc` on pairs of unseen speakers."""

    def __init__(self, model: ReconstructionModel, optim: OptimConfig, trainer: PairsConfig) -> None:
        super().__init__()
        self.model, self._optim, self._config = model, optim, trainer
        self._odds: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Pair, _index: int) -> Tensor:
        """The loss of a batch of pairs."""
        seed = mixed_seed(self._config.seed, self.global_step)  # a resumed training goes on as an uninterrupted one
        torch.manual_seed(seed)
        generator = Generator(self.device).manual_seed(seed)
        real, rebuilt = self.model.spectrogram(batch.real), self.model.spectrogram(batch.rebuilt)
        places = exchanged(real, rebuilt, generator)
        with torch.autocast(self.device.type, torch.bfloat16):
            judged = self.model(masked(places.spectrograms, generator))
        loss = self._loss(judged, places.rebuilt, batch.kind)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(real))
        return loss

    def _loss(self, judged: Judgement, rebuilt: Tensor, kind: Tensor) -> Tensor:
        """Each place real or rebuilt; the whole, where it is one of the two; and which reconstruction it was."""
        odds, count = judged.map.float(), len(kind)
        label = adaptive_avg_pool2d(rebuilt[:, None], (odds.shape[1], odds.shape[2]))[:, 0]
        share = rebuilt.mean(dim=(1, 2))
        loss = binary_cross_entropy_with_logits(odds, label)
        pure = (share == 0) | (share == 1)
        if pure.any():
            loss = loss + binary_cross_entropy_with_logits(judged.odds.float()[pure], share[pure])
        mostly = share[count:] > 0.5
        if mostly.any():
            named = cross_entropy(judged.kinds[count:].float()[mostly], kind[mostly])
            loss = loss + self._config.kind_weight * named
        return loss

    def validation_step(self, batch: Pair, _index: int) -> None:
        """Judge pairs of unseen speakers."""
        real, rebuilt = (self.model(self.model.spectrogram(x)).odds.cpu() for x in (batch.real, batch.rebuilt))
        self._odds.append((real, rebuilt))

    def on_validation_epoch_end(self) -> None:
        """Log how well the two are told apart."""
        real, rebuilt = (torch.cat(odds) for odds in zip(*self._odds, strict=True))
        self._odds = []
        label = torch.cat([torch.zeros_like(real), torch.ones_like(rebuilt)])
        self.log("auc", float(roc_auc_score(label, torch.cat([real, rebuilt]))), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a one-cycle schedule over the whole training."""
        return one_cycle(self, self._optim)
