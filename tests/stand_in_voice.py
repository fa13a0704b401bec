"""A tiny model of voices, with a real file pair: how far the spectrogram lies above a level that it has learned."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from avsync.checkpoint import KINDS, save_checkpoint
from avsync.checks.registry import CheckInfo
from avsync.media import RATE
from avsync.voice.interface import VoiceModel, VoiceReading

FORMAT = "avsync.stand-in-voice/1"
VOICE = CheckInfo(
    "voice",
    "Does this voice sound as microphones record voices?",
    "the voice sounds unlike recorded speech",
    "an echoing room",
    "avsync.checks.voice:load",
    model="voice",
)
_FFT, _HOP = 256, 320


@dataclass(frozen=True)
class StandInConfig:
    learned_from: str = "real speech"


class StandIn(VoiceModel):
    """Its score is the mean level above 6 kHz while somebody speaks; its map has 129 rows, every 62.5 Hz and 20 ms."""

    format: ClassVar[str] = FORMAT

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.register_buffer("usual", torch.full((_FFT // 2 + 1,), -6.0))

    @property
    def learned_from(self):
        return self.config.learned_from

    def read(self, waveform, speech_share):
        framed = np.lib.stride_tricks.sliding_window_view(waveform, _FFT)[::_HOP]
        power = np.abs(np.fft.rfft(framed * np.hanning(_FFT), axis=1)).T ** 2
        grid = np.log10(power + 1e-6).astype(np.float32) - self.usual.numpy()[:, None]
        spoken = speech_share[np.arange(grid.shape[1]) * _HOP // 640] > 0.5
        frequencies = np.arange(len(grid), dtype=np.float32) * RATE / _FFT
        times = (np.arange(grid.shape[1], dtype=np.float32) * _HOP + _FFT / 2) / RATE
        grid[frequencies <= 6000] = 0.0
        return VoiceReading(float(grid[frequencies > 6000][:, spoken].mean()), grid, frequencies, times)


def register(monkeypatch):
    """Add the kind of model to those of checkpoints."""
    monkeypatch.setitem(KINDS, FORMAT, ("stand_in_voice", "StandIn", "StandInConfig"))


def save(path, usual=-6.0, notes=None, **config):
    """Write a file pair of a model with that level, and return the path of its weights."""
    model = StandIn(StandInConfig(**config))
    model.usual.fill_(usual)
    save_checkpoint(model, path, {"name": path.stem, **(notes or {})})
    return path
