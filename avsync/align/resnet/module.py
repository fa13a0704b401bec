"""Training of the ResNet aligner: real clips only, no label but time itself."""

from torch import Tensor

from avsync.align.temporal.module import ContrastiveModule
from avsync.align.resnet.data import MouthBatch, WholeMouth
from avsync.align.resnet.head import ResNetAligner
from avsync.align.resnet.transforms import MouthTransforms
from avsync.config import OptimConfig


class ResNetModule(ContrastiveModule):
    """Trains the lip encoder, and what brings lips and frozen speech features together."""

    model: ResNetAligner

    def __init__(self, model: ResNetAligner, optim: OptimConfig, seed: int) -> None:
        super().__init__(model, optim, seed)
        self._alter = MouthTransforms()

    def training_step(self, batch: MouthBatch, _index: int) -> Tensor:
        """The loss of altered segments."""
        self.seeded()
        return self.loss(self.model.lips(self._alter(batch.mouth)), self.model.speech(batch.speech), batch.weight)

    def validation_step(self, clip: WholeMouth, _index: int) -> None:
        """Embed one whole clip."""
        self.keep((*self.model.embed(clip.mouth, clip.speech), clip.weight.cpu(), clip.speaker))
