"""Logistic regression on the mean over time of frozen features (Pascu et al., Interspeech 2024, arXiv 2309.05384)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.clip import SoundClip
from avsync.encoders.registry import load_speech_encoder
from avsync.errors import UsageError
from avsync.media import FPS, RATE
from avsync.voice.interface import LearnedFrom, VoiceModel, VoiceReading
from avsync.voice.linear.config import FAKES, LinearConfig


class LinearModel(VoiceModel):
    """One weight for each feature: fewer than 2,000 learned numbers for the 1,920 features of a large encoder.

    The mean over time of the features of every frame is judged, so each frame has a share in the score: the map has one
    row, of all frequencies.
    """

    format = "avsync.voice-linear/1"
    weight: Tensor
    bias: Tensor

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("weight", torch.zeros(config.width))
        self.register_buffer("bias", torch.zeros(()))
        self._encoder: Any = None

    @property
    def learned_from(self) -> LearnedFrom:
        """What its weights were learned from."""
        return "labelled fakes" if self.config.learned_from == FAKES else "real speech"

    def read(self, waveform: NDArray[np.float32], speech_share: NDArray[np.float32]) -> VoiceReading:
        """Score a window; silence counts nothing (`VoiceModel.read`)."""
        features = self.encode([SoundClip(0.0, waveform, speech_share)])[0]
        odds = (features @ self.weight.cpu() + self.bias.cpu()).numpy()
        score = float(np.average(odds, weights=speech_share + 1e-6))
        times = ((np.arange(len(odds)) + 0.5) / FPS).astype(np.float32)
        return VoiceReading(score, odds[None], np.array([RATE / 4], np.float32), times)

    def encode(self, clips: Sequence[SoundClip]) -> list[Tensor]:
        """The features of each clip, float32 [T, width].

        Raises:
            UsageError: the encoder's weights are not those that the model learned on.
        """
        if self._encoder is None:
            self._encoder = load_speech_encoder(self.config.backbone, self.weight.device)
            if self.config.features and self._encoder.key != self.config.features:
                raise UsageError(f"{self.config.backbone}: not the weights on whose features this model was trained")
        return [features.float() for features in self._encoder.encode_speech(clips)]
