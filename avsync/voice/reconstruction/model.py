"""Real speech or reconstructed speech? One answer for each place of the spectrogram, and their mean."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avsync.voice.interface import VoiceModel, VoiceReading
from avsync.voice.reconstruction.config import ReconstructionConfig
from avsync.voice.residual import ResidualNetwork
from avsync.voice.spectrogram import LogSpectrogram, frequencies, share_at, times


class Judgement(NamedTuple):
    """What the network says of a batch.

    Attributes:
        map: float32 [B, F, M], log odds that a place was reconstructed.
        odds: float32 [B], the mean of the map.
        kinds: float32 [B, K], logits of the reconstructions.
    """

    map: Tensor
    odds: Tensor
    kinds: Tensor


class ReconstructionModel(VoiceModel):
    """A small residual network on log spectrograms (after Afchar et al., ICASSP 2025, who do this for music).

    The score is a mean over places, so the map shows what it consists of.
    """

    format = "avsync.voice-reconstruction/1"

    def __init__(self, config: ReconstructionConfig) -> None:
        super().__init__()
        self.config = config
        self.spectrogram = LogSpectrogram()
        self.network = ResidualNetwork(config.widths)
        self.dropout = nn.Dropout2d(config.dropout)
        self.judge = nn.Conv2d(config.widths[-1], 1, 1)
        self.name_kind = nn.Linear(config.widths[-1], len(config.kinds))

    def forward(self, spectrogram: Tensor) -> Judgement:
        """Judge log spectrograms, float32 [B, 212, M]."""
        features = self.dropout(self.network(spectrogram)[-1])
        odds = self.judge(features)[:, 0]
        return Judgement(odds, odds.mean(dim=(1, 2)), self.name_kind(features.mean(dim=(2, 3))))

    @torch.inference_mode()
    def read(self, waveform: NDArray[np.float32], speech_share: NDArray[np.float32]) -> VoiceReading:
        """Score a window; silence counts nothing (`VoiceModel.read`)."""
        spectrogram = self.spectrogram(torch.from_numpy(waveform)[None].to(self.judge.weight.device))
        odds = self(spectrogram).map[0].cpu()
        at = times(odds.shape[1], spectrogram.shape[2])
        share = share_at(at, torch.from_numpy(speech_share))
        score = float((odds.mean(dim=0) * share).sum() / share.sum().clamp(min=1e-6))
        return VoiceReading(score, odds.numpy(), frequencies(odds.shape[0]).numpy(), at.numpy())
