"""The transformer of AV-HuBERT: positions by convolution (Baevski et al., NeurIPS 2020), pre- or post-norm layers."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, linear, pad, scaled_dot_product_attention

POSITION_KERNEL, POSITION_GROUPS = 128, 16


class Linear(nn.Linear):
    """A linear layer; on CPUs through oneDNN, which on AMD is twice as fast as torch's default, MKL."""

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 [..., F] to [..., G]."""
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return linear(x.to_mkldnn(), self.weight, self.bias).to_dense()
        return super().forward(x)


class Transformer(nn.Module):
    """Self-attention over the frames of a clip.

    Args:
        layers: number of layers.
        width: D, values per frame.
        ffn_width: hidden units of each feed-forward block.
        heads: attention heads.
        norm_first: pre-norm layers, and a LayerNorm after the last; else post-norm, and a LayerNorm before the first.
    """

    def __init__(self, layers: int, width: int, ffn_width: int, heads: int, *, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.position = _Position(width)
        self.layers = nn.ModuleList(_Layer(width, ffn_width, heads, norm_first) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, padding: Tensor | None = None, layer: int | None = None) -> Tensor:
        """Return the output of a layer.

        Args:
            x: float32 [B, T, D].
            padding: bool [B, T], True after the end of a clip; None: no clip is shorter than T.
            layer: 1 to the number of layers; those above are not computed. None: the output after the last LayerNorm.

        Returns:
            float32 [B, T, D].
        """
        mask = None
        if padding is not None:
            x = x.masked_fill(padding[..., None], 0)
            mask = ~padding[:, None, None, :]
        x = x + self.position(x)
        if not self.norm_first:
            x = self.layer_norm(x)
        for block in self.layers[:layer]:
            x = block(x, mask)
        return self.layer_norm(x) if self.norm_first and layer is None else x


class _Position(nn.Module):
    """Position information from a wide convolution over time, weight-normed per kernel step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        weight = torch.empty(width, width // POSITION_GROUPS, POSITION_KERNEL)
        self.weight_v = nn.Parameter(nn.init.kaiming_uniform_(weight))
        self.weight_g = nn.Parameter(torch.ones(1, 1, POSITION_KERNEL))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True)
        weight = self.weight_v * (self.weight_g / norm)
        # The kernel is even: one more step before a frame than after it.
        around = pad(x.transpose(1, 2), (POSITION_KERNEL // 2, POSITION_KERNEL // 2 - 1))
        return gelu(conv1d(around, weight, self.bias, groups=POSITION_GROUPS)).transpose(1, 2)


class _Layer(nn.Module):
    """Self-attention and a feed-forward block, each around a shortcut."""

    def __init__(self, width: int, ffn_width: int, heads: int, norm_first: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.self_attn = _SelfAttention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = Linear(width, ffn_width)
        self.fc2 = Linear(ffn_width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if self.norm_first:
            x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
            return x + self._feed(self.final_layer_norm(x))
        x = self.self_attn_layer_norm(x + self.self_attn(x, mask))
        out: Tensor = self.final_layer_norm(x + self._feed(x))
        return out

    def _feed(self, x: Tensor) -> Tensor:
        fed: Tensor = self.fc2(gelu(self.fc1(x)))
        return fed


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = Linear(width, width), Linear(width, width)
        self.v_proj, self.out_proj = Linear(width, width), Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`mask`, bool [B, 1, 1, T], is True for the frames to attend to."""
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out
