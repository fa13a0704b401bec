"""Training of the networks that tell real faces from reconstructed ones."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningModule
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, softplus

from avsync.align.schedule import one_cycle
from avsync.align.segments import mixed_seed
from avsync.appearance.config import AppearanceTrainer
from avsync.appearance.data import Pair
from avsync.appearance.model import AppearanceModel, Judgement
from avsync.config import OptimConfig


class AppearanceModule(LightningModule):
    """Learns real against rebuilt, and which places were rebuilt.

    Logs, on pairs of unseen people, the AUC of each kind (`auc_KIND`), of all kinds that it learns from (`auc_seen`),
    and of those that are left out (`auc_left_out`).

    Args:
        model: to train.
        optim, trainer: of the training.
        kinds: of the validation pairs, those that are left out last.
        left_out: how many are left out.
    """

    def __init__(
        self,
        model: AppearanceModel,
        optim: OptimConfig,
        trainer: AppearanceTrainer,
        kinds: Sequence[str],
        left_out: int,
    ) -> None:
        super().__init__()
        self.model, self._optim, self._config = model, optim, trainer
        self._kinds, self._left_out = list(kinds), left_out
        self._judged: list[tuple[Tensor, Tensor, Tensor]] = []

    def training_step(self, batch: Pair, _index: int) -> Tensor:
        """The loss of a batch of pairs."""
        # Of dropout: a resumed training goes on as an uninterrupted one.
        torch.manual_seed(mixed_seed(self._config.seed, self.global_step))
        loss = self._loss(self._judge(torch.cat([batch.real, batch.rebuilt])), batch.mask)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch.kind))
        return loss

    def _judge(self, patches: Tensor) -> Judgement:
        # Processors without bfloat16 instructions would be slower with it.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            judged: Judgement = self.model(patches)
        return Judgement(judged.odds.float(), judged.places.float())

    def _loss(self, judged: Judgement, mask: Tensor) -> Tensor:
        """Real or rebuilt; which of a pair; and the share of the reconstruction in each place.

        The first half of a batch is real. That a rebuilt face has greater odds than its own real one (RankNet, Burges
        et al., ICML 2005) is learned first: between two people everything else differs too.
        """
        count, (moments, rows, columns) = len(mask), judged.places.shape[1:]
        label = (torch.arange(2 * count, device=mask.device) >= count).float()
        by_moment = mask.reshape(count, moments, -1, *mask.shape[2:]).mean(dim=2)
        share = adaptive_avg_pool2d(by_moment, (rows, columns))
        where = binary_cross_entropy_with_logits(judged.places, torch.cat([torch.zeros_like(share), share]))
        real, rebuilt = judged.odds.chunk(2)
        whether = binary_cross_entropy_with_logits(judged.odds, label) + softplus(real - rebuilt).mean()
        return whether + self._config.place_weight * where

    def validation_step(self, batch: Pair, _index: int) -> None:
        """Judge pairs of unseen people."""
        real, rebuilt = self._judge(torch.cat([batch.real, batch.rebuilt])).odds.cpu().chunk(2)
        self._judged.append((real, rebuilt, batch.kind.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log how well the two are told apart; each kind is compared with all real faces."""
        real, rebuilt, kind = (torch.cat(part) for part in zip(*self._judged, strict=True))
        self._judged = []
        seen = len(self._kinds) - self._left_out
        groups = {f"auc_{name}": kind == number for number, name in enumerate(self._kinds)}
        groups |= {"auc_seen": kind < seen, "auc_left_out": kind >= seen}
        for name, chosen in groups.items():
            if chosen.any():
                label = torch.cat([torch.zeros_like(real), torch.ones_like(rebuilt[chosen])])
                auc = float(roc_auc_score(label, torch.cat([real, rebuilt[chosen]])))
                self.log(name, auc, prog_bar=name in ("auc_seen", "auc_left_out"))

    def configure_optimizers(self) -> Any:
        """AdamW with a one-cycle schedule over the whole training."""
        return one_cycle(self, self._optim)
