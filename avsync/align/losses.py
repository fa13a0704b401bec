"""What training minimises."""

import torch
from torch import Tensor

# A frame with less speech than this is no candidate: what is heard there says nothing of the lips.
SPOKEN = 0.3
# Frames this near the right one are neither right nor wrong: speech moves slowly beside 40 ms.
_NEAR = 1


def info_nce(lips: Tensor, speech: Tensor, temperature: Tensor, weight: Tensor) -> Tensor:
    """InfoNCE (van den Oord et al., 2018) over the frames of the same segment, in both directions.

    The lips of a frame must find their own speech among that of the segment's other spoken frames, and the other way
    round; the voice, the face and the room are the same in all of them, so only articulation tells them apart.

    Args:
        lips, speech: float [B, T, C] of unit length.
        temperature: float [], multiplies the dot products.
        weight: float [B, T], the share of speech in each frame; silent frames neither ask nor answer.

    Returns:
        float [], the mean over speech; 0 where nobody speaks.
    """
    similarity = torch.einsum("btc,bsc->bts", lips, speech) * temperature
    frame = torch.arange(weight.shape[1], device=weight.device)
    distance = (frame[:, None] - frame).abs()
    candidate = (distance == 0) | ((distance > _NEAR) & (weight > SPOKEN)[:, None, :])
    loss = (_surprise(similarity, candidate) + _surprise(similarity.transpose(1, 2), candidate)) / 2
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def _surprise(similarity: Tensor, candidate: Tensor) -> Tensor:
    """Minus the log softmax of each row's own column, among its candidates: [B, T]."""
    chances = similarity.masked_fill(~candidate, -torch.inf).log_softmax(dim=2)
    return -chances.diagonal(dim1=1, dim2=2)


def misalignment(lattice: Tensor) -> Tensor:
    """Minus the log softmax, over each frame's offsets, of no offset at all (AVH-Align, Smeu et al., CVPR 2025).

    Args:
        lattice: float [T, 2τ + 1], how well the speech at t + δ fits the lips at t.

    Returns:
        float [T].
    """
    return -lattice.log_softmax(dim=1)[:, lattice.shape[1] // 2]
