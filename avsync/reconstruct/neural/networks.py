"""Small generators of speech: two vocoders that start from a log mel spectrogram, and a codec."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avsync.reconstruct.neural.mel import LogMel
from avsync.reconstruct.neural.quantiser import ResidualQuantiser

BANDS = 80
_SLOPE = 0.1  # of the leaky rectifiers, as in HiFi-GAN


class FourierVocoder(nn.Module):
    """Predicts magnitudes and phases of frames, and adds the frames up (Vocos, Siuzdak, ICLR 2024).

    Args:
        hop: samples between frames; frames have four times as many.
        width: channels.
        blocks: ConvNeXt blocks.
    """

    window: Tensor

    def __init__(self, hop: int, width: int, blocks: int) -> None:
        super().__init__()
        self.fft = 4 * hop
        self.mel = LogMel(self.fft, hop, BANDS)
        self.enter = nn.Conv1d(BANDS, width, 7, padding=3)
        self.blocks = nn.Sequential(*(_ConvNeXt(width) for _ in range(blocks)))
        self.leave = nn.Conv1d(width, self.fft + 2, 1)
        self.register_buffer("window", torch.hann_window(self.fft), persistent=False)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 [B, N] rebuilt of float32 [B, N], and a loss of its own: none."""
        log_magnitude, phase = self.leave(self.blocks(self.enter(self.mel(waveform)))).chunk(2, dim=1)
        spectrum = torch.polar(log_magnitude.clamp(max=5).exp(), phase)
        rebuilt = torch.istft(spectrum, self.fft, self.mel.hop, window=self.window, length=waveform.shape[-1])
        return rebuilt, waveform.new_zeros(())


class UpsamplingVocoder(nn.Module):
    """Transposed convolutions from frames to samples (HiFi-GAN, Kong et al., NeurIPS 2020).

    Args:
        strides: of the transposed convolutions; their product is the hop.
        width: channels of the first; each next one has half as many.
    """

    def __init__(self, strides: Sequence[int], width: int) -> None:
        super().__init__()
        hop = math.prod(strides)
        self.mel = LogMel(4 * hop, hop, BANDS)
        self.enter = nn.Conv1d(BANDS, width, 7, padding=3)
        self.decode = _upsampling(strides, width)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 [B, N] rebuilt of float32 [B, N], and a loss of its own: none."""
        rebuilt = self.decode(self.enter(self.mel(waveform)))[:, 0, : waveform.shape[-1]]
        return rebuilt, waveform.new_zeros(())


class Codec(nn.Module):
    """Strided convolutions, residual quantisation, transposed convolutions (SoundStream, Zeghidour et al., 2021).

    Args:
        strides: of the encoder, in the order of the decoder; their product is the hop.
        width: channels at the narrowest place.
        codebooks, entries: of the quantiser.
    """

    def __init__(self, strides: Sequence[int], width: int, codebooks: int, entries: int) -> None:
        super().__init__()
        self.hop = math.prod(strides)
        self.encode = _downsampling(strides[::-1], width)
        self.quantise = ResidualQuantiser(width, codebooks, entries)
        self.decode = _upsampling(strides, width)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 [B, N] rebuilt of float32 [B, N], and the loss of the quantiser."""
        samples = waveform.shape[-1]
        padded = nn.functional.pad(waveform, (0, -samples % self.hop))
        codes, loss = self.quantise(self.encode(padded[:, None]))
        return self.decode(codes)[:, 0, :samples], loss


class _ConvNeXt(nn.Module):
    """Depthwise convolution and two pointwise ones beside a shortcut (Liu et al., CVPR 2022), over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.pointwise = nn.Sequential(nn.Conv1d(width, 3 * width, 1), nn.GELU(), nn.Conv1d(3 * width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.pointwise(self.norm(self.depthwise(x)))
        return x + changed


class _Residual(nn.Module):
    """Dilated convolutions, each beside a shortcut."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LeakyReLU(_SLOPE),
                nn.Conv1d(width, width, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2),
            )
            for dilation in (1, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def _upsampling(strides: Sequence[int], width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for stride in strides:
        narrower = max(8, width // 2)
        layers += [
            nn.LeakyReLU(_SLOPE),
            nn.ConvTranspose1d(
                width, narrower, 2 * stride, stride, padding=stride // 2 + stride % 2, output_padding=stride % 2
            ),
            _Residual(narrower, 3),
            _Residual(narrower, 7),
        ]
        width = narrower
    return nn.Sequential(*layers, nn.LeakyReLU(_SLOPE), nn.Conv1d(width, 1, 7, padding=3), nn.Tanh())


def _downsampling(strides: Sequence[int], width: int) -> nn.Sequential:
    narrowest = max(8, width >> len(strides))
    layers: list[nn.Module] = [nn.Conv1d(1, narrowest, 7, padding=3)]
    for index, stride in enumerate(strides, 1):
        wider = max(8, width >> (len(strides) - index))
        layers += [
            _Residual(narrowest, 3),
            nn.LeakyReLU(_SLOPE),
            nn.Conv1d(narrowest, wider, 2 * stride, stride, padding=stride // 2 + stride % 2),
        ]
        narrowest = wider
    # Codebooks follow slowly: the encoder's output must not grow away from them.
    return nn.Sequential(*layers, nn.GroupNorm(1, narrowest))
