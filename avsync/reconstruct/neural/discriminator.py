"""A discriminator of spectrograms at several resolutions (UnivNet, Jang et al., Interspeech 2021)."""

import torch
from torch import Tensor, nn

_RESOLUTIONS = (1024, 512, 256)  # samples of a frame; frames overlap by three quarters
_WIDTH = 16
_STRIDES = (4, 2, 2)  # over frequency, of its layers


class SpectrogramDiscriminator(nn.Module):
    """Tells recorded from generated speech by its magnitudes."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_Part(fft) for fft in _RESOLUTIONS)

    def forward(self, waveform: Tensor) -> list[list[Tensor]]:
        """Return the feature maps of each resolution of float32 [B, N]; the last map is the judgement."""
        return [part(waveform) for part in self.parts]


class _Part(nn.Module):
    window: Tensor

    def __init__(self, fft: int) -> None:
        super().__init__()
        self.fft = fft
        self.register_buffer("window", torch.hann_window(fft), persistent=False)
        self.layers = nn.ModuleList(
            nn.Conv2d(2 if i == 0 else _WIDTH, _WIDTH, (5, 3), stride=(stride, 1), padding=(2, 1))
            for i, stride in enumerate(_STRIDES)
        )
        self.judge = nn.Conv2d(_WIDTH, 1, 3, padding=1)

    def forward(self, waveform: Tensor) -> list[Tensor]:
        spectrum = torch.stft(waveform, self.fft, self.fft // 4, window=self.window, return_complex=True)
        x = torch.stack([spectrum.real, spectrum.imag], dim=1)
        x = x / (x.square().sum(dim=1, keepdim=True) + 1e-6).pow(0.35)  # compressed, so that soft parts are seen
        maps = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1)
            maps.append(x)
        return [*maps, self.judge(x)]
