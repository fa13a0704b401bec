"""One-class detection of synthetic speech: where a student that knows real speech only fails to match its teacher."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize, softplus

from avsync.voice.interface import VoiceModel, VoiceReading
from avsync.voice.residual import ResidualNetwork
from avsync.voice.spectrogram import BINS, LogSpectrogram, frequencies, share_at, times
from avsync.voice.stfpm.config import StfpmConfig
from avsync.voice.stfpm.resnet18 import ResNet18Stages

DEPTHS = 3
_ROWS = BINS // 4  # of the anomaly map; the deepest maps have 14
_HIGH = 0.9  # the score is this quantile of the map over speech


class StfpmModel(VoiceModel):
    """A frozen teacher and a student of the same architecture (Wang et al., BMVC 2021; Coletta et al., 2025).

    The student learned to match the teacher's features of real speech at three depths. The anomaly map is the product
    over depths of how far they are apart, each standardised per frequency on real speech of other speakers
    ("discrepancy scaling", Coletta et al., EUSIPCO 2025): some bands are hard to match for every voice.
    """

    format = "avsync.voice-stfpm/1"

    def __init__(self, config: StfpmConfig) -> None:
        super().__init__()
        self.config = config
        self.spectrogram = LogSpectrogram()
        self.teacher, self.student = _network(config), _network(config)
        # Bands of each depth: float32 [F]; filled by `scale`.
        for depth in range(DEPTHS):
            bands = band_count(depth)
            self.register_buffer(f"middle{depth}", torch.zeros(bands))
            self.register_buffer(f"spread{depth}", torch.ones(bands))

    def discrepancies(self, spectrogram: Tensor) -> list[Tensor]:
        """How far teacher and student are apart, float32 [B, F, M] at each depth, of float32 [B, 212, M]."""
        with torch.no_grad():
            of_teacher = self.teacher(spectrogram)
        pairs = zip(of_teacher, self.student(spectrogram), strict=True)
        return [(normalize(t, dim=1) - normalize(s, dim=1)).square().sum(dim=1) / 2 for t, s in pairs]

    def scale(self, found: Sequence[Sequence[Tensor]]) -> None:
        """Set middle and spread of each band from discrepancies of real speech, [batches][depths] of [B, F, M]."""
        for depth in range(DEPTHS):
            of_depth = torch.cat([batch[depth].transpose(0, 1).flatten(1) for batch in found], dim=1)
            getattr(self, f"middle{depth}").copy_(of_depth.mean(dim=1))
            getattr(self, f"spread{depth}").copy_(of_depth.std(dim=1).clamp(min=1e-6))

    def anomaly_map(self, spectrogram: Tensor) -> Tensor:
        """The product over depths, float32 [B, 53, M / 2], of log spectrograms float32 [B, 212, M]."""
        size, product = (_ROWS, max(1, spectrogram.shape[2] // 2)), torch.ones(())
        for depth, apart in enumerate(self.discrepancies(spectrogram)):
            middle, spread = (getattr(self, f"{name}{depth}")[:, None] for name in ("middle", "spread"))
            standard = softplus((apart - middle) / spread)  # a product needs factors that are not negative
            product = product * interpolate(standard[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        return product

    @torch.inference_mode()
    def read(self, waveform: NDArray[np.float32], speech_share: NDArray[np.float32]) -> VoiceReading:
        """Score a window (`VoiceModel.read`)."""
        spectrogram = self.spectrogram(torch.from_numpy(waveform)[None].to(next(self.parameters()).device))
        found = self.anomaly_map(spectrogram)[0].cpu()
        at = times(found.shape[1], spectrogram.shape[2])
        spoken = share_at(at, torch.from_numpy(speech_share)) > 0.5
        heard = found[:, spoken] if spoken.any() else found
        score = float(torch.quantile(heard.flatten(), _HIGH).clamp(min=1e-6).log())
        return VoiceReading(score, found.numpy(), frequencies(_ROWS).numpy(), at.numpy())


def band_count(depth: int) -> int:
    """Rows of the maps at a depth: the entry halves them, and each stage again."""
    rows = BINS
    for _ in range(depth + 2):
        rows = -(-rows // 2)
    return rows


def _network(config: StfpmConfig) -> nn.Module:
    return ResNet18Stages() if config.teacher == "resnet18" else ResidualNetwork(config.widths)
