"""Training of the ResNet aligner on real clips without labels."""

from torch import Tensor

from avsync.align.contrastive_module import ContrastiveModule, EncodedClip
from avsync.align.resnet.data import Batch, WholeClip
from avsync.align.resnet.model import ResNetAligner
from avsync.align.resnet.transforms import MouthTransforms
from avsync.config import OptimConfig, SegmentsConfig


class ResNetModule(ContrastiveModule):
    """Trains the lip encoder, and the layers that map frozen speech features into the same space."""

    model: ResNetAligner

    def __init__(self, model: ResNetAligner, optim: OptimConfig, trainer: SegmentsConfig) -> None:
        super().__init__(model, optim, trainer)
        self._augment = MouthTransforms()

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss of augmented segments."""
        self.seeded()
        lips = self.model.lip_features(self._augment(batch.mouth))
        return self.loss(lips, self.model.speech_features(batch.speech), batch.speech_share)

    def validation_step(self, clip: WholeClip, _index: int) -> None:
        """Encode one whole clip."""
        lips, speech = self.model.encode(clip.mouth, clip.speech)
        self.keep(EncodedClip(lips, speech, clip.speech_share.cpu(), clip.speaker))
