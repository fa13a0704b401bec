"""The log spectrogram that every network of the voice looks at."""

import torch
from torch import Tensor, nn

from avsync.media import FPS, RATE

FFT = 512  # 32 ms: harmonics of most voices are apart
HOP = 128  # 8 ms
# Up to 6.6 kHz: recordings of the field are often low-passed at 7 or 8 kHz, and what lies beyond tells their codecs.
BINS = 212
_FLOOR = 1e-6  # of the mean power: what is 60 dB softer than the speech differs between recorders


class LogSpectrogram(nn.Module):
    """Log power against the mean over time of each frequency, so that microphones and loudness leave no trace."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        # On "meta", where checkpoints are measured before they are loaded, it would import PyTorch's compiler: 1 s.
        self.register_buffer("window", torch.hann_window(FFT, device="cpu"), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return float32 [B, 212, M] in bels, M = (N - 512) // 128 + 1, of float32 [B, N] at 16 kHz, N at least 512."""
        spectrum = torch.stft(waveform, FFT, HOP, window=self.window, center=False, return_complex=True)[:, :BINS]
        power = spectrum.real.square() + spectrum.imag.square()
        mean = power.mean(dim=(1, 2), keepdim=True).clamp(min=1e-12)
        log_power = (power / mean + _FLOOR).log10()
        return log_power - log_power.mean(dim=2, keepdim=True)


def frequencies(rows: int) -> Tensor:
    """The middle frequency (Hz) of each of `rows` equal bands of the spectrogram, float32 [rows]."""
    return (torch.arange(rows) + 0.5) * (BINS * RATE / FFT / rows)


def times(columns: int, frames: int) -> Tensor:
    """The middle (s) of each of `columns` equal stretches of a spectrogram of `frames` frames, float32 [columns]."""
    return ((torch.arange(columns) + 0.5) * (frames / columns) - 0.5) * (HOP / RATE) + FFT / RATE / 2


def share_at(at: Tensor, speech_share: Tensor) -> Tensor:
    """The share of speech at times `at` (s, float32 [M]) of a window with so much in each 40 ms, float32 [T]."""
    return speech_share[(at * FPS).long().clamp(0, len(speech_share) - 1)]
