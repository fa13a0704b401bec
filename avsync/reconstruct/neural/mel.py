"""Log mel spectrograms inside networks: what vocoders start from, and what their losses compare."""

import torch
from torch import Tensor, nn

from avsync.media import RATE
from avsync.speech.filterbank import mel_triangles

_FLOOR = 1e-5  # of the magnitude, so that its logarithm is finite (HiFi-GAN, Kong et al., NeurIPS 2020)


class LogMel(nn.Module):
    """Natural-log mel magnitudes of speech at 16 kHz.

    Args:
        fft: samples in a frame, with a Hann window.
        hop: samples between frames.
        bands: triangles equally spaced in mel from 0 to 8 kHz.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, fft: int, hop: int, bands: int) -> None:
        super().__init__()
        self.fft, self.hop = fft, hop
        self.register_buffer("window", torch.hann_window(fft), persistent=False)
        filters = torch.from_numpy(mel_triangles(bands, fft, 0.0, RATE / 2)).float()
        self.register_buffer("filters", filters / filters.sum(dim=0).clamp(min=1e-6), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return float32 [B, bands, N // hop + 1] of float32 [B, N]."""
        spectrum = torch.stft(waveform, self.fft, self.hop, window=self.window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return (self.filters.T @ (power + _FLOOR**2).sqrt()).clamp(min=_FLOOR).log()
