"""The head of AVH-Align (Smeu et al., CVPR 2025, arXiv 2412.00175): a network that scores pairs of lips and speech.

Its first layer is linear, so it is a sum of a part that depends on the lips and a part that depends on the speech.
Both parts are computed once per frame; only the layers after the sum run once for each of a frame's 31 pairs.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, linear, normalize, pad

from avsync.align.aligner import Head
from avsync.align.lattice import TAU
from avsync.align.losses import misalignment
from avsync.align.mlp.config import MLPConfig

_PROJECTED, _WIDTHS = 512, (512, 256, 128)
# Frames whose pairs are in memory at a time. On a CPU 2 MB in the widest layer, which fits the cache.
_PIECE_CPU, _PIECE_GPU = 32, 4096
_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class MLPAligner(Head):
    """Φ(lips, speech): one number per pair of frames, high where they fit.

    The state dict has the names and shapes of the published one. The first layer takes lips before speech, as in the
    published code (github.com/bit-ml/AVH-Align: `visual_proj` before `audio_proj`).
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

    def forward(self, lips: Tensor, speech: Tensor, candidates: Tensor) -> Tensor:
        """Return how well the lips of each frame fit each candidate, float32 [n, K].

        Args:
            lips: float [n, Dv].
            speech: float [m, Da]. Lips and speech are normalised to unit length here; a zero vector stays zero.
            candidates: int64 [n, K], the rows of `speech` to pair with each frame.
        """
        lips, speech = self._first_layer(lips, speech)
        return torch.cat([_score(self.mlp[1:], _pairs(lips[i], speech, candidates[i])) for i in _pieces(candidates)])

    def accepts(self, lip_dim: int, speech_dim: int) -> bool:
        """Whether these are the dimensions of its config."""
        return (lip_dim, speech_dim) == (self.config.lips, self.config.speech)

    @torch.inference_mode()
    def lattice(self, lips: Tensor, speech: Tensor, speech_share: Tensor) -> Tensor:
        """Return Φ of each frame of one clip with the speech at t - 15 … t + 15, float32 [T, 31].

        It does not depend on `speech_share`. Memory grows with the features, not with the pairs.
        """
        device = self.visual_proj.weight.device
        candidates = candidate_rows(len(lips)).to(device)
        scores: Tensor = self(lips.to(device), pad(speech, (0, 0, 1, 0)).to(device), candidates)
        return scores.masked_fill(candidates == 0, torch.nan).cpu()

    def loss(self, lips: Tensor, speech: Tensor, candidates: Tensor, speech_share: Tensor) -> Tensor:
        """Return the loss of AVH-Align, from lips to speech (`misalignment`).

        Gradients are computed together with it, piece by piece, so that memory does not grow with n·K.

        Args:
            lips, speech, candidates: as in `forward`; K is odd, the right candidate is in the middle.
            speech_share: float [n], the share of speech in each frame.

        Returns:
            float [], the mean over speech; 0 where nobody speaks.
        """
        spoken = speech_share > 0  # pairs of other frames have weight 0
        lips, speech = self._first_layer(lips[spoken], speech)
        weights, layers = speech_share[spoken] / speech_share.sum().clamp(min=1e-6), self.mlp[1:]
        loss: Tensor = _PiecewiseLoss.apply(layers, candidates[spoken], weights, lips, speech, *layers.parameters())
        return loss

    def _first_layer(self, lips: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """The two summands of the first layer: of the lips [n, 512], and of the speech [m, 512]."""
        first = self.mlp[0]
        assert isinstance(first, nn.Linear)
        lips, speech = (normalize(features.to(first.weight.dtype), dim=-1) for features in (lips, speech))
        lip_weight, speech_weight = first.weight[:, :_PROJECTED], first.weight[:, _PROJECTED:]
        lips = _linear(lips, self.visual_proj.weight, self.visual_proj.bias)
        speech = _linear(speech, self.audio_proj.weight, self.audio_proj.bias)
        return _linear(lips, lip_weight, first.bias), _linear(speech, speech_weight, None)


def candidate_rows(frames: int, start: int = 0, stop: int | None = None) -> Tensor:
    """Return the rows of speech to pair with the lips of frames [start, stop) of a clip.

    Row 0 is a zero vector that stands for everything outside the clip; row 1 is frame 0.

    Returns:
        int64 [stop - start, 31]: 1 + t + δ inside the clip's `frames`, else 0.
    """
    at = torch.arange(start, frames if stop is None else stop)[:, None] + torch.arange(-TAU, TAU + 1)
    return (at + 1).masked_fill((at < 0) | (at >= frames), 0)


class _PiecewiseLoss(torch.autograd.Function):
    """The loss of many frames and its gradients, with the pairs of a few frames in memory at a time.

    These pairs fit the cache: on a CPU, a batch of 1024 frames in one piece takes 1.7 times as long.
    """

    @staticmethod
    def forward(
        ctx: Any,
        layers: nn.Sequential,
        candidates: Tensor,
        weights: Tensor,
        lips: Tensor,
        speech: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        total = lips.new_zeros(())
        lip_gradient, speech_gradient = torch.empty_like(lips), torch.zeros_like(speech)
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        for i in _pieces(candidates):
            pairs = _pairs(lips[i], speech, candidates[i]).requires_grad_()
            with torch.enable_grad():
                loss = (misalignment(_score(layers, pairs)) * weights[i]).sum()
            pair_gradient, *parts = torch.autograd.grad(loss, (pairs, *parameters))
            total += loss.detach()
            lip_gradient[i] = pair_gradient.sum(dim=1)
            speech_gradient.index_add_(0, candidates[i].flatten(), pair_gradient.flatten(0, 1))
            for whole, part in zip(gradients, parts, strict=True):
                whole += part
        ctx.save_for_backward(lip_gradient, speech_gradient, *gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, *(gradient * saved for saved in ctx.saved_tensors)


def _pieces(candidates: Tensor) -> list[slice]:
    size = _PIECE_CPU if candidates.device.type == "cpu" else _PIECE_GPU
    return [slice(start, start + size) for start in range(0, len(candidates), size)]


def _pairs(lips: Tensor, speech: Tensor, candidates: Tensor) -> Tensor:
    """The first layer's output for every pair, [n, K, 512]."""
    chosen = speech.index_select(0, candidates.flatten())  # indexing by `candidates` has a slow backward pass
    return chosen.view(*candidates.shape, -1) + lips[:, None]


def _score(layers: nn.Sequential, pairs: Tensor) -> Tensor:
    """Apply all layers after the first, [n, K, 512] to [n, K]."""
    for layer in layers[:-1]:
        pairs = _linear(pairs, layer.weight, layer.bias) if isinstance(layer, nn.Linear) else layer(pairs)
    scores: Tensor = layers[-1](pairs)[..., 0]
    return scores


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a linear layer to [n, C] or [n, K, C].

    On a CPU it runs as a 1×1 convolution of channels-last images: the same sum, computed by oneDNN, whose kernels use
    AVX-512 where the BLAS behind `linear` does not (twice as fast on an AMD EPYC).
    """
    if x.device.type != "cpu" or not len(x) or not _ONEDNN:
        return linear(x, weight, bias)
    images = x.reshape(-1, 1, x.shape[-2], x.shape[-1]).permute(0, 3, 1, 2)
    return conv2d(images, weight[..., None, None], bias).permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
