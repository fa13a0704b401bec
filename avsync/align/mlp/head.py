"""The head of AVH-Align (Smeu et al., CVPR 2025, arXiv 2412.00175): a network that judges pairs of lips and speech.

Its first layer is linear in what the lips and what the speech bring to it, so each frame's share is computed once; only
what follows the sum of two shares is computed for each of a frame's 31 pairs.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, linear, normalize, pad

from avsync.align.aligner import Head
from avsync.align.lattice import TAU
from avsync.align.losses import misalignment

_PROJECTED, _WIDTHS = 512, (512, 256, 128)
_MOST = 16384  # features per frame; no encoder is as wide
# Frames whose pairs are alive at a time: 2 MB in the widest layer, which a CPU's cache holds; a GPU has room.
_PIECE_CPU, _PIECE_GPU = 32, 4096
_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class MLPConfig:
    """Features per frame of `lips` and of `speech`."""

    lips: int = 1024
    speech: int = 1024

    def __post_init__(self) -> None:
        if not all(1 <= features <= _MOST for features in (self.lips, self.speech)):
            raise ValueError(f"model.lips and model.speech must be 1 to {_MOST}")


class MLPAligner(Head):
    """Φ(lips, speech): one number per pair of frames, high where they fit.

    Its state dict has the names and shapes of the published one. The order of its first layer's inputs, lips before
    speech, is that of the published code (github.com/bit-ml/AVH-Align: `visual_proj` before `audio_proj`).
    """

    format: ClassVar[str] = "avsync.mlp/1"
    reading: ClassVar[str] = "log_mean_exp"

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.config = config
        self.visual_proj = nn.Linear(config.lips, _PROJECTED)
        self.audio_proj = nn.Linear(config.speech, _PROJECTED)
        layers, inputs = list[nn.Module](), 2 * _PROJECTED
        for width in _WIDTHS:
            layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU(inplace=True)]
            inputs = width
        self.mlp = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, lips: Tensor, speech: Tensor, heard: Tensor) -> Tensor:
        """How well the lips of each frame fit each candidate, float32 [n, K].

        Args:
            lips: float [n, Dv].
            speech: float [m, Da]. Both are brought to unit length here; a zero vector stays one.
            heard: int64 [n, K], the rows of `speech` that are the candidates of each frame.
        """
        lips, speech = self._shares(lips, speech)
        return torch.cat([_judge(self.mlp[1:], _pairs(lips[i], speech, heard[i])) for i in _pieces(heard)])

    def accepts(self, lips: int, speech: int) -> bool:
        """Whether it was made for features of so many numbers a frame."""
        return (lips, speech) == (self.config.lips, self.config.speech)

    @torch.inference_mode()
    def lattice(self, lips: Tensor, speech: Tensor, weight: Tensor) -> Tensor:
        """Φ of each frame of one clip with the speech at t - 15 … t + 15, float32 [T, 31]; `weight` changes none.

        Memory grows with the features, not with the pairs.
        """
        device = self.visual_proj.weight.device
        heard = candidates(len(lips)).to(device)
        fits: Tensor = self(lips.to(device), pad(speech, (0, 0, 1, 0)).to(device), heard)
        return fits.masked_fill(heard == 0, torch.nan).cpu()

    def loss(self, lips: Tensor, speech: Tensor, heard: Tensor, weight: Tensor) -> Tensor:
        """The loss of AVH-Align, from the lips to the speech: see `misalignment`.

        Gradients are computed along with it, piece by piece, so that memory does not grow with n·K.

        Args:
            lips, speech, heard: as in `forward`, K odd, the right candidate in the middle.
            weight: float [n], the share of speech in each frame.

        Returns:
            float [], the mean over speech; 0 where nobody speaks.
        """
        spoken = weight > 0  # the pairs of other frames would count for nothing
        lips, speech = self._shares(lips[spoken], speech)
        share, layers = weight[spoken] / weight.sum().clamp(min=1e-6), self.mlp[1:]
        loss: Tensor = _PieceByPiece.apply(layers, heard[spoken], share, lips, speech, *layers.parameters())
        return loss

    def _shares(self, lips: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """What each frame of lips and of speech adds to the first layer of all its pairs: [n, 512], [m, 512]."""
        first = self.mlp[0]
        assert isinstance(first, nn.Linear)
        lips, speech = (normalize(features.to(first.weight.dtype), dim=-1) for features in (lips, speech))
        of_lips, of_speech = first.weight[:, :_PROJECTED], first.weight[:, _PROJECTED:]
        lips = _linear(lips, self.visual_proj.weight, self.visual_proj.bias)
        speech = _linear(speech, self.audio_proj.weight, self.audio_proj.bias)
        return _linear(lips, of_lips, first.bias), _linear(speech, of_speech, None)


def candidates(frames: int, start: int = 0, stop: int | None = None) -> Tensor:
    """The rows of speech that the lips of frames [start, stop) of a clip may belong to.

    Returns:
        int64 [stop - start, 31]: 1 + t + δ, or 0, where a zero vector must be, for what is outside the clip's `frames`.
    """
    at = torch.arange(start, frames if stop is None else stop)[:, None] + torch.arange(-TAU, TAU + 1)
    return (at + 1).masked_fill((at < 0) | (at >= frames), 0)


class _PieceByPiece(torch.autograd.Function):
    """The loss of many frames and its gradients, with the pairs of some frames alive at a time.

    So they stay in the cache: a batch of 1024 frames in one piece took 1.7 times as long on a CPU.
    """

    @staticmethod
    def forward(
        ctx: Any, layers: nn.Sequential, heard: Tensor, share: Tensor, lips: Tensor, speech: Tensor, *parameters: Tensor
    ) -> Tensor:
        total = lips.new_zeros(())
        of_lips, of_speech = torch.empty_like(lips), torch.zeros_like(speech)
        of_parameters = [torch.zeros_like(parameter) for parameter in parameters]
        for i in _pieces(heard):
            pairs = _pairs(lips[i], speech, heard[i]).requires_grad_()
            with torch.enable_grad():
                loss = (misalignment(_judge(layers, pairs)) * share[i]).sum()
            of_pairs, *parts = torch.autograd.grad(loss, (pairs, *parameters))
            total += loss.detach()
            of_lips[i] = of_pairs.sum(dim=1)
            of_speech.index_add_(0, heard[i].flatten(), of_pairs.flatten(0, 1))
            for whole, part in zip(of_parameters, parts, strict=True):
                whole += part
        ctx.save_for_backward(of_lips, of_speech, *of_parameters)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, *(gradient * saved for saved in ctx.saved_tensors)


def _pieces(heard: Tensor) -> list[slice]:
    size = _PIECE_CPU if heard.device.type == "cpu" else _PIECE_GPU
    return [slice(start, start + size) for start in range(0, len(heard), size)]


def _pairs(lips: Tensor, speech: Tensor, heard: Tensor) -> Tensor:
    """The first layer's sums, [n, K, 512]."""
    chosen = speech.index_select(0, heard.flatten())  # indexing with `heard` is slow in its backward pass
    return chosen.view(*heard.shape, -1) + lips[:, None]


def _judge(layers: nn.Sequential, pairs: Tensor) -> Tensor:
    """All layers behind the first, [n, K, 512] to [n, K]."""
    for layer in layers[:-1]:
        pairs = _linear(pairs, layer.weight, layer.bias) if isinstance(layer, nn.Linear) else layer(pairs)
    fits: Tensor = layers[-1](pairs)[..., 0]
    return fits


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer on [n, C] or [n, K, C].

    On a CPU as a 1×1 convolution of images in channels-last order, which is the same sum, but computed by oneDNN: its
    kernels use AVX-512 where the BLAS behind `linear` does not (an AMD EPYC: 2 times as fast).
    """
    if x.device.type != "cpu" or not len(x) or not _ONEDNN:
        return linear(x, weight, bias)
    images = x.reshape(-1, 1, x.shape[-2], x.shape[-1]).permute(0, 3, 1, 2)
    return conv2d(images, weight[..., None, None], bias).permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
