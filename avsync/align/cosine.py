"""The lattice without training: the cosine of features that live in one space."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from avsync.align.aligner import Head
from avsync.align.lattice import TAU, diagonals


@dataclass(frozen=True)
class CosineConfig:
    """Nothing to set."""


class CosineAligner(Head):
    """What SpeechForensics (Liang et al., NeurIPS 2024) and FACTOR (Reiss et al., 2023) do with AV-HuBERT features."""

    format: ClassVar[str] = "avsync.cosine/1"
    reading: ClassVar[str] = "speechforensics"

    def __init__(self, config: CosineConfig) -> None:
        super().__init__()
        self.config = config

    def accepts(self, lips: int, speech: int) -> bool:
        """Both must live in one space."""
        return lips == speech

    @torch.inference_mode()
    def lattice(self, lips: Tensor, speech: Tensor, weight: Tensor) -> Tensor:
        """Cosines, float32 [T, 31]; `weight` changes none."""
        return diagonals(normalize(lips, dim=1) @ normalize(speech, dim=1).T, TAU)
