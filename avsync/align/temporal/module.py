"""Training of the default model on real clips without labels."""

import torch
from torch import Tensor

from avsync.align.contrastive_module import ContrastiveModule, EncodedClip
from avsync.align.temporal.augment import augment_geometry, augment_mel, augment_mouths
from avsync.align.temporal.config import AugmentConfig
from avsync.align.temporal.data import Batch, WholeClip
from avsync.align.temporal.inputs import standardise_mel
from avsync.align.temporal.model import TemporalAligner
from avsync.config import OptimConfig, SegmentsConfig


class TemporalModule(ContrastiveModule):
    """Trains the default model."""

    model: TemporalAligner

    def __init__(
        self, model: TemporalAligner, optim: OptimConfig, augment: AugmentConfig, trainer: SegmentsConfig
    ) -> None:
        super().__init__(model, optim, trainer)
        self._augment = augment

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss of augmented segments."""
        generator = self.seeded()
        pixels = batch.mouth
        if self.model.config.pixels:
            pixels = augment_mouths(batch.mouth, batch.speech_share, self._augment, generator)
        lips = self.model.lip_features(augment_geometry(batch.geometry, generator), pixels)
        mel = standardise_mel(augment_mel(batch.mel, generator), batch.speech_share)
        return self.loss(lips, self.model.speech_features(mel), batch.speech_share)

    def validation_step(self, clip: WholeClip, _index: int) -> None:
        """Encode one whole clip."""
        lips, speech = self.model.encode(clip.landmarks, clip.mouth, clip.mel, clip.speech_share)
        self.keep(EncodedClip(lips, speech, torch.from_numpy(clip.speech_share), clip.speaker))
