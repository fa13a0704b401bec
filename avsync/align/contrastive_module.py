"""Training of models that learn one space for lips and speech. Clips are real and have no labels."""

import math
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from sklearn.metrics import roc_auc_score
from torch import Generator, Tensor

from avsync.align.contrastive import Contrastive
from avsync.align.devices import mean_over_devices
from avsync.align.lattice import TAU, lattice, mean_over_time
from avsync.align.losses import SPOKEN, info_nce
from avsync.align.schedule import one_cycle
from avsync.align.segments import mixed_seed
from avsync.config import OptimConfig, SegmentsConfig

# A match this close to the right frame counts as right.
_NEAR = 1
# Each validation clip is paired with the speech of this many others.
_SWAPS = 6


class EncodedClip(NamedTuple):
    """A validation clip after both encoders.

    Attributes:
        lip_features, speech_features: float32 [T, D] on the CPU.
        speech_share: float32 [T], the share of speech in each frame, on the CPU.
        speaker: who speaks.
    """

    lip_features: Tensor
    speech_features: Tensor
    speech_share: Tensor
    speaker: str


class ContrastiveModule(LightningModule):
    """Base of trainings that bring lips and speech into one space.

    Logs `train_loss`, `temperature`, and on unseen speakers `retrieval` and `swap_auc`.
    """

    model: Contrastive

    def __init__(self, model: Contrastive, optim: OptimConfig, trainer: SegmentsConfig) -> None:
        super().__init__()
        self.model = model
        self._optim, self._seed, self._per_speaker = optim, trainer.seed, trainer.per_speaker
        self._encoded: list[EncodedClip] = []

    def seeded(self) -> Generator:
        """Return the generator of this step's augmentation, and seed torch's own generator, which dropout uses.

        Both are seeded at every step, so a resumed training continues exactly as an uninterrupted one. Devices that
        train together draw different numbers.
        """
        seed = mixed_seed(self._seed, self.global_step, *([self.global_rank] if self.global_rank else []))
        torch.manual_seed(seed)
        return torch.Generator(self.device).manual_seed(seed)

    def loss(self, lip_features: Tensor, speech_features: Tensor, speech_share: Tensor) -> Tensor:
        """Return and log InfoNCE of features [B, T, D] with the share of speech in each frame, [B, T].

        The segments of a speaker are one long segment: their other frames are candidates too.
        """
        count = len(speech_share)
        lips, speech, share = map(self._joined, (lip_features, speech_features, speech_share))
        loss = mean_over_devices(info_nce(lips, speech, self.model.temperature, share), share.sum())
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)
        self.log("temperature", self.model.temperature, on_step=False, on_epoch=True, batch_size=count)
        return loss

    def _joined(self, segments: Tensor) -> Tensor:
        """Segments [B, T, …] with those of a speaker one after another: [B / per_speaker, per_speaker · T, …]."""
        return segments.reshape(-1, self._per_speaker * segments.shape[1], *segments.shape[2:])

    def on_validation_epoch_start(self) -> None:
        """Drop the clips of the previous epoch."""
        self._encoded = []

    def keep(self, clip: EncodedClip) -> None:
        """Add a validation clip to this epoch's metrics."""
        self._encoded.append(clip)

    def on_validation_epoch_end(self) -> None:
        """Log `retrieval` and `swap_auc`."""
        self.log("retrieval", retrieval(self._encoded), prog_bar=True)
        self.log("swap_auc", swap_auc(self._encoded, float(self.model.temperature)), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a one-cycle schedule over the whole training."""
        return one_cycle(self, self._optim)


def retrieval(clips: list[EncodedClip]) -> float:
    """Return the share of spoken frames whose best match among the clip's spoken frames is within ±1 frame.

    NaN when nobody speaks.
    """
    found = []
    for lips, speech, share, _ in clips:
        spoken = (share > SPOKEN).nonzero()[:, 0]
        if len(spoken):
            best = spoken[(lips[spoken] @ speech[spoken].T).argmax(dim=1)]
            found.append((best - spoken).abs() <= _NEAR)
    return float(torch.cat(found).float().mean()) if found else math.nan


def swap_auc(clips: list[EncodedClip], temperature: float) -> float:
    """Return the ROC AUC of fits with a clip's own speech against fits with speech of other speakers.

    With only one speaker, the speech comes from other clips of that speaker. NaN when there is nothing to compare.
    """
    own = [_fit(lips, speech, share, temperature) for lips, speech, share, _ in clips]
    swapped = []
    for index, (lips, _, _, speaker) in enumerate(clips):
        rest = clips[index + 1 :] + clips[:index]
        others = [other for other in rest if other.speaker != speaker] or rest
        swapped += [_fit(lips, speech, share, temperature) for _, speech, share, _ in others[:_SWAPS]]
    pairs = [(1, score) for score in own] + [(0, score) for score in swapped]
    pairs = [(label, score) for label, score in pairs if not math.isnan(score)]
    if len({label for label, _ in pairs}) < 2:
        return math.nan
    labels, scores = zip(*pairs, strict=True)
    return float(roc_auc_score(labels, scores))


def _fit(lips: Tensor, speech: Tensor, share: Tensor, temperature: float) -> float:
    """The mean of the lattice at its best offset, of lips and speech cut to the same length; NaN without speech."""
    length = min(len(lips), len(speech))
    lips, speech, share = lips[:length], speech[:length], share[:length]
    curve = mean_over_time(lattice(lips, speech, share, temperature, TAU), share)
    return float(curve.nan_to_num(-math.inf).max()) if share.any() else math.nan
