"""The permissive aligner: lips through a ResNet that is trained, beside frozen features of speech."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avsync.align.aligner import Head
from avsync.align.contrastive import Contrastive, TemporalBlock, normed
from avsync.align.lattice import TAU, lattice
from avsync.align.resnet.network import FEATURE_DIM, MouthResNet, centre
from avsync.face import MOUTH_SIDE


@dataclass(frozen=True)
class ResNetOptions:
    """What the network is made of.

    Attributes:
        width: channels of the temporal networks.
        features: dimensions of the common space.
        dropout: share of channels dropped in each temporal block.
    """

    width: int = 256
    features: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 4096 and 1 <= self.features <= 4096):
            raise ValueError("model.width and model.features must be 1 to 4096")
        if not 0 <= self.dropout < 1:
            raise ValueError("model.dropout must be in [0, 1)")


@dataclass(frozen=True)
class ResNetConfig(ResNetOptions):
    """The same beside speech features of `speech_dim` numbers a frame."""

    speech_dim: int = 768

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.speech_dim <= 8192:
            raise ValueError("model.speech_dim must be 1 to 8192")


class ResNetAligner(Contrastive, Head):
    """Lip features of mouth crops, and of frozen speech features what goes with them, at 25 Hz."""

    format: ClassVar[str] = "avsync.resnet/1"
    reading: ClassVar[str] = "agreement"

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config)
        self._mouth = MouthResNet()
        self._lips = _temporal(FEATURE_DIM, config, (1, 2, 1))
        self._scale = nn.LayerNorm(config.speech_dim)  # some dimensions of transformers are a hundred times others
        self._speech = _temporal(config.speech_dim, config, (1,))

    def accepts(self, lips: int, speech: int) -> bool:
        """Mouth crops, and the speech features it was made for."""
        return (lips, speech) == (MOUTH_SIDE**2, self.config.speech_dim)

    def lips(self, mouths: Tensor) -> Tensor:
        """Lip features, float [B, T, features], of unit length, of uint8 [B, T, 88, 88]."""
        return _unit(self._lips, self._mouth(mouths))

    def speech(self, heard: Tensor) -> Tensor:
        """Speech features, float [B, T, features], of unit length, of float [B, T, speech_dim]."""
        return _unit(self._speech, self._scale(heard))

    @torch.inference_mode()
    def see(self, mouth: Tensor) -> Tensor:
        """Lip features of one clip, float32 [T, features] on the CPU; call in evaluation mode.

        They are the mean over the crops and their mirror image, shorter where the network does not see that both say
        the same, as in `TemporalAligner.embed`.

        Args:
            mouth: uint8 [T, 96, 96] of `avsync.face.mouth_crops`.
        """
        crops = centre(mouth).to(self.temperature.device)[None]
        return (self.lips(crops) + self.lips(crops.flip(-1)))[0].cpu() / 2

    @torch.inference_mode()
    def embed(self, mouth: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Lip and speech features of one clip, each float32 [T, features] on the CPU; call in evaluation mode.

        Args:
            mouth: uint8 [T, 96, 96].
            speech: float [T, speech_dim].
        """
        heard = speech.float().to(self.temperature.device)[None]
        return self.see(mouth), self.speech(heard)[0].cpu()

    @torch.inference_mode()
    def lattice(self, lips: Tensor, speech: Tensor, weight: Tensor) -> Tensor:
        """As every head; `lips` are mouth crops, uint8 [T, 96, 96]."""
        return lattice(*self.embed(lips, speech), weight, float(self.temperature), TAU)


def _temporal(inputs: int, config: ResNetConfig, dilations: tuple[int, ...]) -> nn.Sequential:
    blocks = (TemporalBlock(config.width, dilation, config.dropout) for dilation in dilations)
    return nn.Sequential(
        *normed(nn.Conv1d(inputs, config.width, 1)), *blocks, nn.Conv1d(config.width, config.features, 1)
    )


def _unit(network: nn.Sequential, features: Tensor) -> Tensor:
    """The network's output of [B, T, C], with unit length."""
    return normalize(network(features.transpose(1, 2)).transpose(1, 2), dim=-1)
