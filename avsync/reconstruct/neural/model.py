"""A trained network that rebuilds speech."""

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor

from avsync.checkpoint import Model
from avsync.reconstruct.neural.config import VocoderConfig
from avsync.reconstruct.neural.networks import Codec, FourierVocoder, UpsamplingVocoder
from avsync.speech.level import LEVEL, gain_to

_ENTRIES = 256
# Speech is played slower (down to a factor of exp(-0.4): as if recorded at 24 kHz) or a little faster while it is
# rebuilt. The traces of a network lie at multiples of its own frame rate; so they come at many others too.
_SLOWEST, _FASTEST, _OFTEN = -0.4, 0.1, 0.6


class VocoderModel(Model):
    """One of the networks of `avsync.reconstruct.neural.networks`."""

    format = "avsync.vocoder/1"
    check = "none"

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        hop = int(np.prod(config.strides))
        match config.kind:
            case "fourier":
                self.network: FourierVocoder | UpsamplingVocoder | Codec = FourierVocoder(
                    hop, config.width, config.blocks
                )
            case "upsampling":
                self.network = UpsamplingVocoder(config.strides, config.width)
            case _:
                self.network = Codec(config.strides, config.width, config.codebooks, _ENTRIES)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 [B, N] rebuilt of float32 [B, N] at 16 kHz, and the loss of a quantiser, if there is one."""
        rebuilt: tuple[Tensor, Tensor] = self.network(waveform)
        return rebuilt

    @torch.inference_mode()
    def rebuild(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Rebuild speech, float32 [N] at 16 kHz, at a speed that `rng` draws; the result has its length and level."""
        ratio = Fraction(1)
        if rng.random() < _OFTEN:
            ratio = Fraction(float(np.exp(rng.uniform(_SLOWEST, _FASTEST)))).limit_denominator(20)
        played = resample_poly(waveform, ratio.denominator, ratio.numerator)
        gain = gain_to(LEVEL, played)
        rebuilt = self(torch.from_numpy((played * gain).astype(np.float32))[None])[0][0].numpy() / gain
        heard = resample_poly(rebuilt, ratio.numerator, ratio.denominator)[: len(waveform)]
        return np.pad(heard, (0, len(waveform) - len(heard))).astype(np.float32)
