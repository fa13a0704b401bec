"""An aligner under a permissive licence: a trained ResNet of mouth crops beside frozen speech features."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avsync.align.aligner import Head
from avsync.align.contrastive import Contrastive, TemporalBlock, normed
from avsync.align.lattice import TAU, lattice
from avsync.align.resnet.config import ResNetConfig
from avsync.align.resnet.network import FEATURE_DIM, MouthResNet, centre
from avsync.face import MOUTH_SIDE


class ResNetAligner(Contrastive, Head):
    """Lip features from mouth crops and speech features from frozen ones, in one space at 25 Hz."""

    format: ClassVar[str] = "avsync.resnet/1"
    reading: ClassVar[str] = "agreement"

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config)
        self._mouth = MouthResNet()
        self._lips = _temporal(FEATURE_DIM, config, (1, 2, 1))
        self._scale = nn.LayerNorm(config.speech_dim)  # some dimensions are 100 times larger than others
        self._speech = _temporal(config.speech_dim, config, (1,))

    def accepts(self, lip_dim: int, speech_dim: int) -> bool:
        """Whether these are mouth crops (96²) and the speech features of its config."""
        return (lip_dim, speech_dim) == (MOUTH_SIDE**2, self.config.speech_dim)

    def lip_features(self, mouths: Tensor) -> Tensor:
        """Return lip features, float [B, T, features], of unit length, of mouths, uint8 [B, T, 88, 88]."""
        return _unit(self._lips, self._mouth(mouths))

    def speech_features(self, speech: Tensor) -> Tensor:
        """Return speech features, float [B, T, features], of unit length, of frozen ones, float [B, T, speech_dim]."""
        return _unit(self._speech, self._scale(speech))

    @torch.inference_mode()
    def encode_lips(self, mouth: Tensor) -> Tensor:
        """Return lip features of one clip, float32 [T, features] on the CPU; call in evaluation mode.

        They are the mean of the features of the crops and of their mirror image; where the two differ, the mean is
        shorter than 1, as in `TemporalAligner.encode_lips`.

        Args:
            mouth: uint8 [T, 96, 96] of `avsync.face.mouth_crops`.
        """
        crops = centre(mouth).to(self.temperature.device)[None]
        return (self.lip_features(crops) + self.lip_features(crops.flip(-1)))[0].cpu() / 2

    @torch.inference_mode()
    def encode_speech(self, speech: Tensor) -> Tensor:
        """Return speech features of one clip, float32 [T, features] on the CPU; call in evaluation mode.

        Args:
            speech: float [T, speech_dim].
        """
        return self.speech_features(speech.float().to(self.temperature.device)[None])[0].cpu()

    def encode(self, mouth: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Return `encode_lips` and `encode_speech` of one clip, each float32 [T, features] on the CPU."""
        return self.encode_lips(mouth), self.encode_speech(speech)

    @torch.inference_mode()
    def lattice(self, lips: Tensor, speech: Tensor, speech_share: Tensor) -> Tensor:
        """Return the lattice as every head does; `lips` are mouth crops, uint8 [T, 96, 96]."""
        return lattice(*self.encode(lips, speech), speech_share, float(self.temperature), TAU)


def _temporal(inputs: int, config: ResNetConfig, dilations: tuple[int, ...]) -> nn.Sequential:
    blocks = (TemporalBlock(config.width, dilation, config.dropout) for dilation in dilations)
    return nn.Sequential(
        *normed(nn.Conv1d(inputs, config.width, 1)), *blocks, nn.Conv1d(config.width, config.features, 1)
    )


def _unit(network: nn.Sequential, features: Tensor) -> Tensor:
    """Apply a network to [B, T, C] and normalise its output to unit length."""
    return normalize(network(features.transpose(1, 2)).transpose(1, 2), dim=-1)
