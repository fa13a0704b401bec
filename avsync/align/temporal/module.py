"""Training of one space for lips and speech: real clips only, no label but time itself."""

import math
from typing import Any

import torch
from lightning import LightningModule
from sklearn.metrics import roc_auc_score
from torch import Generator, Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from avsync.align.temporal.augment import AugmentConfig, augment_geometry, augment_mel, augment_mouths
from avsync.align.contrastive import Contrastive
from avsync.align.temporal.data import Batch, WholeClip
from avsync.align.lattice import TAU, lattice, mean_over_time
from avsync.align.losses import SPOKEN, info_nce
from avsync.align.segments import mixed_seed
from avsync.align.temporal.model import TemporalAligner
from avsync.config import OptimConfig
from avsync.align.temporal.inputs import standardise_mel

# A frame counts as found when the best match is this near.
_NEAR = 1
# Each validation clip is given the speech of this many others.
_SWAPS = 6

Embedded = tuple[Tensor, Tensor, Tensor, str]  # lips [T, C], speech [T, C], share of speech [T], speaker


class ContrastiveModule(LightningModule):
    """What trainings share that bring lips and speech into one space.

    Logs `train_loss`, `temperature`, and of unseen speakers `retrieval` and `swap_auc`.
    """

    model: Contrastive

    def __init__(self, model: Contrastive, optim: OptimConfig, seed: int) -> None:
        super().__init__()
        self.model = model
        self._optim, self._seed = optim, seed
        self._embedded: list[Embedded] = []

    def seeded(self) -> Generator:
        """The generator of this step's augmentation; torch's own, which dropout draws from, begins anew as well.

        Seeded step by step, a resumed training goes on as it would have.
        """
        seed = mixed_seed(self._seed, self.global_step)
        torch.manual_seed(seed)
        return torch.Generator(self.device).manual_seed(seed)

    def loss(self, lips: Tensor, speech: Tensor, weight: Tensor) -> Tensor:
        """InfoNCE of features [B, T, C] whose frames have so much speech, [B, T]."""
        loss = info_nce(lips, speech, self.model.temperature, weight)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(weight))
        self.log("temperature", self.model.temperature, on_step=False, on_epoch=True, batch_size=len(weight))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the clips of the epoch before."""
        self._embedded = []

    def keep(self, embedded: Embedded) -> None:
        """Count a validation clip in."""
        self._embedded.append(embedded)

    def on_validation_epoch_end(self) -> None:
        """Log how well lips find their speech, and how well swapped speech is told from a clip's own."""
        self.log("retrieval", retrieval(self._embedded), prog_bar=True)
        self.log("swap_auc", swap_auc(self._embedded, float(self.model.temperature)), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW, and a one-cycle schedule over the whole training."""
        optimizer = AdamW(self.parameters(), lr=self._optim.lr, weight_decay=self._optim.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = OneCycleLR(optimizer, self._optim.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class TemporalModule(ContrastiveModule):
    """Trains the default model."""

    model: TemporalAligner

    def __init__(self, model: TemporalAligner, optim: OptimConfig, augment: AugmentConfig, seed: int) -> None:
        super().__init__(model, optim, seed)
        self._augment = augment

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of augmented segments."""
        generator = self.seeded()
        pixels = batch.mouth
        if self.model.config.pixels:
            pixels = augment_mouths(batch.mouth, batch.speech, self._augment, generator)
        lips = self.model.lips(augment_geometry(batch.geometry, generator), pixels)
        speech = self.model.speech(standardise_mel(augment_mel(batch.mel, generator), batch.speech))
        return self.loss(lips, speech, batch.speech)

    def validation_step(self, clip: WholeClip, _index: int) -> None:
        """Embed one whole clip."""
        lips, speech = self.model.embed(clip.landmarks, clip.mouth, clip.mel, clip.speech)
        self.keep((lips, speech, torch.from_numpy(clip.speech), clip.speaker))


def retrieval(clips: list[Embedded]) -> float:
    """The share of spoken frames whose lips fit best, among the clip's spoken frames, the speech within ±1 frame.

    NaN when nobody speaks.
    """
    found = []
    for lips, speech, share, _ in clips:
        spoken = (share > SPOKEN).nonzero()[:, 0]
        if len(spoken):
            best = spoken[(lips[spoken] @ speech[spoken].T).argmax(dim=1)]
            found.append((best - spoken).abs() <= _NEAR)
    return float(torch.cat(found).float().mean()) if found else math.nan


def swap_auc(clips: list[Embedded], temperature: float) -> float:
    """ROC AUC of how well clips fit their own speech against how well they fit speech of other speakers.

    Where there is but one speaker, other clips of his are taken. NaN when there is nothing to compare.
    """
    own = [_fit(lips, speech, share, temperature) for lips, speech, share, _ in clips]
    swapped = []
    for index, (lips, _, _, speaker) in enumerate(clips):
        behind = clips[index + 1 :] + clips[:index]
        others = [other for other in behind if other[3] != speaker] or behind
        swapped += [_fit(lips, speech, share, temperature) for _, speech, share, _ in others[:_SWAPS]]
    pairs = [(1, score) for score in own] + [(0, score) for score in swapped]
    pairs = [(label, score) for label, score in pairs if not math.isnan(score)]
    if len({label for label, _ in pairs}) < 2:
        return math.nan
    labels, scores = zip(*pairs, strict=True)
    return float(roc_auc_score(labels, scores))


def _fit(lips: Tensor, speech: Tensor, share: Tensor, temperature: float) -> float:
    """How well lips and speech, cut to the shorter of the two, fit at their best offset; NaN where nobody speaks."""
    length = min(len(lips), len(speech))
    lips, speech, share = lips[:length], speech[:length], share[:length]
    curve = mean_over_time(lattice(lips, speech, share, temperature, TAU), share)
    return float(curve.nan_to_num(-math.inf).max()) if share.any() else math.nan
