"""The lattice without training: cosines of features that share one space."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from avsync.align.aligner import Head
from avsync.align.lattice import TAU, diagonals


@dataclass(frozen=True)
class CosineConfig:
    """There is nothing to set."""


class CosineAligner(Head):
    """Cosines of features, as in SpeechForensics (Liang et al., NeurIPS 2024) and FACTOR (Reiss et al., 2023)."""

    format: ClassVar[str] = "avsync.cosine/1"
    reading: ClassVar[str] = "speechforensics"

    def __init__(self, config: CosineConfig) -> None:
        super().__init__()
        self.config = config

    def accepts(self, lip_dim: int, speech_dim: int) -> bool:
        """Whether both have the same number of values per frame, as features of one space do."""
        return lip_dim == speech_dim

    @torch.inference_mode()
    def lattice(self, lips: Tensor, speech: Tensor, speech_share: Tensor) -> Tensor:
        """Return cosines, float32 [T, 31]; they do not depend on `speech_share`."""
        return diagonals(normalize(lips, dim=1) @ normalize(speech, dim=1).T, TAU)
