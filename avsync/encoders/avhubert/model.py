"""AV-HuBERT (Shi et al., ICLR 2022): one transformer for audio, video, or both."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from avsync.encoders.avhubert.preprocess import AUDIO_FEATURES
from avsync.encoders.avhubert.resnet import FEATURE_DIM, ResNet
from avsync.encoders.avhubert.transformer import POSITION_GROUPS, Linear, Transformer

# The large model has 24 layers of width 1024; no known checkpoint goes far beyond.
_MAX_LAYERS, _MAX_WIDTH, _MAX_FFN_WIDTH = 48, 2048, 8192


@dataclass(frozen=True)
class AVHuBERTConfig:
    """The dimensions of an AV-HuBERT.

    Attributes:
        layers: transformer layers; base 12, large 24.
        width: D, values per frame; base 768, large 1024.
        ffn_width: hidden units of each feed-forward block; base 3072, large 4096.
        heads: attention heads; base 12, large 16.
        layer_norm_first: pre-norm layers (all published models) instead of post-norm.
        modality_fuse: how audio and video are fused: concatenated, or summed.
        sub_encoder_layers: transformer layers of each modality before they are fused.
    """

    layers: int
    width: int
    ffn_width: int
    heads: int
    layer_norm_first: bool = True
    modality_fuse: Literal["concat", "add"] = "concat"
    sub_encoder_layers: int = 0

    def __post_init__(self) -> None:
        _whole_number("layers", self.layers, 1, _MAX_LAYERS)
        _whole_number("width", self.width, POSITION_GROUPS, _MAX_WIDTH)
        _whole_number("ffn_width", self.ffn_width, 1, _MAX_FFN_WIDTH)
        _whole_number("heads", self.heads, 1, self.width)
        _whole_number("sub_encoder_layers", self.sub_encoder_layers, 0, _MAX_LAYERS)
        if self.width % self.heads or self.width % POSITION_GROUPS:
            raise ValueError(f"width must be divisible by heads and by {POSITION_GROUPS}, not {self.width}")
        if not isinstance(self.layer_norm_first, bool):
            raise ValueError(f"layer_norm_first must be true or false, not {self.layer_norm_first!r}")
        if self.modality_fuse not in ("concat", "add"):
            raise ValueError(f"modality_fuse must be concat or add, not {self.modality_fuse!r}")


def _whole_number(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, not {value!r}")


class Modality(nn.Module):
    """One of audio and video before they are fused: a projection to D values, and in some models a transformer."""

    def __init__(self, features: int, config: AVHuBERTConfig) -> None:
        super().__init__()
        self.projection = Linear(features, config.width)
        self.encoder = _transformer(config.sub_encoder_layers, config) if config.sub_encoder_layers else None

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 [B, T, F] to [B, T, D]."""
        x = self.projection(x)
        return x if self.encoder is None else self.encoder(x)


class AVHuBERT(nn.Module):
    """The encoder without its pre-training heads; audio and video have 25 frames per second.

    It runs in three steps, `encoder(fuse(audio, resnet(frames)), padding, layer)`, so that one pass of `resnet` serves
    several calls of `fuse`, and clips or modalities can share a pass of `encoder`.
    """

    def __init__(self, config: AVHuBERTConfig) -> None:
        super().__init__()
        self.config = config
        self.resnet = ResNet()
        self.audio = Modality(AUDIO_FEATURES, config)
        self.video = Modality(FEATURE_DIM, config)
        concatenated = config.modality_fuse == "concat"
        self.layer_norm = nn.LayerNorm(2 * config.width if concatenated else config.width)
        self.projection = Linear(2 * config.width, config.width) if concatenated else nn.Identity()
        self.encoder = _transformer(config.layers, config)

    def fuse(self, audio: Tensor | None = None, video: Tensor | None = None) -> Tensor:
        """Fuse audio and video; a missing one is replaced by zeros after its projection.

        Args:
            audio: float32 [B, T, 104] of `preprocess.speech_input`.
            video: float32 [B, T, 512] of `resnet`.

        Returns:
            float32 [B, T, D], the input of `encoder`.

        Raises:
            ValueError: neither audio nor video.
        """
        projected = [None if audio is None else self.audio(audio), None if video is None else self.video(video)]
        present = next((x for x in projected if x is not None), None)
        if present is None:
            raise ValueError("neither audio nor video")
        both = [torch.zeros_like(present) if x is None else x for x in projected]
        fused = torch.cat(both, dim=-1) if self.config.modality_fuse == "concat" else both[0] + both[1]
        output: Tensor = self.projection(self.layer_norm(fused))
        return output


def _transformer(layers: int, config: AVHuBERTConfig) -> Transformer:
    return Transformer(layers, config.width, config.ffn_width, config.heads, norm_first=config.layer_norm_first)
