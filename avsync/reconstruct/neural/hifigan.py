"""Published HiFi-GAN generators (Kong et al., NeurIPS 2020), read from their authors' files.

Those of https://github.com/jik876/hifi-gan (MIT licence) are files with one dictionary of weights. Nothing in them is
run. The shape of the network follows from the weights.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from avsync.errors import UsageError
from avsync.media import RATE
from avsync.reconstruct.speech.interface import Rebuild
from avsync.speech.filterbank import slaney_triangles
from avsync.speech.level import gain_to

_RATE = 22_050  # Hz, of the published generators that end at 8 kHz
_FFT, _HOP, _BANDS, _HIGHEST = 1024, 256, 80, 8000.0
_FLOOR = 1e-5  # of mel magnitudes
_DILATIONS = (1, 3, 5)  # of the first kind of residual block, which versions 1 and 2 have
_SLOPE = 0.1
_MAX_BYTES = 1 << 30
_LEVEL = 0.08  # root mean square of the speech it learned from, about
_LOUDER = (-0.25, 0.15)  # powers of ten by which speech is made louder
# Speech is played at these rates while it is rebuilt (Hz), or up to exp(0.3) slower or exp(0.15) faster: the traces of
# vocoders of other rates lie at other frequencies.
_RATES = (22_050, 22_050, 16_000, 24_000)
_SLOWER, _FASTER = 0.3, 0.15
# How often, and at least how much, the spectrogram is smoothed: acoustic models predict smoother ones than real speech.
_SMOOTHED, _LEAST = 0.35, 0.3


class Generator(nn.Module):
    """Transposed convolutions, each followed by the mean of residual blocks.

    Args:
        weights: as published, weight normalisation folded (`_folded`).
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        count = sum(name.startswith("ups.") and name.endswith(".weight") for name in weights)
        blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("resblocks."))
        self.conv_pre = _conv(weights["conv_pre.weight"])
        self.ups = nn.ModuleList(_upsampling(weights[f"ups.{i}.weight"]) for i in range(count))
        self.resblocks = nn.ModuleList(_Block(weights[f"resblocks.{i}.convs1.0.weight"]) for i in range(blocks))
        self.conv_post = _conv(weights["conv_post.weight"])
        self.load_state_dict(dict(weights))

    def forward(self, mel: Tensor) -> Tensor:
        """Return float32 [B, 256 M] of log mel magnitudes float32 [B, 80, M]."""
        x = self.conv_pre(mel)
        beside = len(self.resblocks) // len(self.ups)
        for index, up in enumerate(self.ups):
            x = up(leaky_relu(x, _SLOPE))
            x = torch.stack([block(x) for block in self.resblocks[index * beside : (index + 1) * beside]]).mean(dim=0)
        return torch.tanh(self.conv_post(leaky_relu(x)))[:, 0]


class _Block(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_conv(weight, dilation) for dilation in _DILATIONS)
        self.convs2 = nn.ModuleList(_conv(weight) for _ in _DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(leaky_relu(first(leaky_relu(x, _SLOPE)), _SLOPE))
        return x


def load_hifigan(source: str, _device: str) -> Rebuild:
    """The reconstruction by a published generator of 22.05 kHz; it runs on the CPU.

    Raises:
        UsageError: the file is missing, damaged, or of something else.
    """
    path = Path(source)
    generator = Generator(_read(path)).eval()
    filters = torch.from_numpy(slaney_triangles(_BANDS, _FFT, _RATE, _HIGHEST)).float()

    @torch.inference_mode()
    def rebuild(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        played, ratio, gain = _played(waveform, rng)
        mel = _smoothed(_mel(torch.from_numpy(played)[None], filters), rng)
        sound = generator(mel)[0].numpy() / gain
        heard = resample_poly(sound, ratio.denominator, ratio.numerator)[: len(waveform)]
        return np.pad(heard, (0, len(waveform) - len(heard))).astype(np.float32)

    return rebuild


def _played(waveform: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], Fraction, float]:
    rates = (*_RATES, _RATE * float(np.exp(rng.uniform(-_SLOWER, _FASTER))))
    ratio = Fraction(_RATE / RATE * _RATE / rates[rng.integers(len(rates))]).limit_denominator(60)
    gain = gain_to(_LEVEL, waveform) * 10 ** rng.uniform(*_LOUDER)
    played = resample_poly(waveform * gain, ratio.numerator, ratio.denominator)
    return played.astype(np.float32), ratio, gain


def _mel(waveform: Tensor, filters: Tensor) -> Tensor:
    margin = (_FFT - _HOP) // 2
    padded = pad(waveform[:, None], (margin, margin), mode="reflect")[:, 0]
    spectrum = torch.stft(padded, _FFT, _HOP, window=torch.hann_window(_FFT), center=False, return_complex=True)
    return (filters.T @ spectrum.abs()).clamp(min=_FLOOR).log()


def _smoothed(mel: Tensor, rng: np.random.Generator) -> Tensor:
    if rng.random() >= _SMOOTHED:
        return mel
    kernel = torch.tensor([0.25, 0.5, 0.25])
    around = pad(mel[:, None], (1, 1, 1, 1), mode="replicate")
    smooth = nn.functional.conv2d(around, torch.outer(kernel, kernel)[None, None])[:, 0]
    return torch.lerp(mel, smooth, float(rng.uniform(_LEAST, 1.0)))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("too large")
        return _folded(torch.load(path, map_location="cpu", weights_only=True)["generator"])
    except OSError as error:
        raise UsageError(f"hifigan:{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # damaged bytes can raise any error in the reader
        raise UsageError(f"hifigan:{path}: not a generator of HiFi-GAN") from error


def _folded(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights without weight normalisation (Salimans & Kingma, NeurIPS 2016): g v / |v|."""
    folded = {name: value for name, value in weights.items() if not name.endswith(("_g", "_v"))}
    for name, direction in weights.items():
        if name.endswith("weight_v"):
            norm = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
            folded[name.removesuffix("_v")] = weights[name.removesuffix("v") + "g"] * direction / norm
    return folded


def _conv(weight: Tensor, dilation: int = 1) -> nn.Conv1d:
    wide, narrow, kernel = weight.shape
    return nn.Conv1d(narrow, wide, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)


def _upsampling(weight: Tensor) -> nn.ConvTranspose1d:
    wide, narrow, kernel = weight.shape
    return nn.ConvTranspose1d(wide, narrow, kernel, kernel // 2, padding=kernel // 4)
