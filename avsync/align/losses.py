"""The losses that training minimises."""

import torch
from torch import Tensor

# A frame with a smaller share of speech is no candidate: its sound says nothing about the lips.
SPOKEN = 0.3
# Frames this close to the right one count neither as right nor as wrong: articulation changes little in 40 ms.
_NEAR = 1


def info_nce(lip_features: Tensor, speech_features: Tensor, temperature: Tensor, speech_share: Tensor) -> Tensor:
    """Return InfoNCE (van den Oord et al., 2018) over the frames of each segment, in both directions.

    The lips of a frame must pick their own speech among the segment's other spoken frames, and the speech its own
    lips. Voice, face and room are the same in all of them, so only articulation can tell them apart.

    Args:
        lip_features, speech_features: float [B, T, D] of unit length.
        temperature: float [], the factor of the dot products.
        speech_share: float [B, T], the share of speech in each frame; silent frames are neither anchors nor candidates.

    Returns:
        float [], the mean over speech; 0 where nobody speaks.
    """
    similarity = torch.einsum("btc,bsc->bts", lip_features, speech_features) * temperature
    frame = torch.arange(speech_share.shape[1], device=speech_share.device)
    distance = (frame[:, None] - frame).abs()
    candidate = (distance == 0) | ((distance > _NEAR) & (speech_share > SPOKEN)[:, None, :])
    loss = (_cross_entropy(similarity, candidate) + _cross_entropy(similarity.transpose(1, 2), candidate)) / 2
    return (loss * speech_share).sum() / speech_share.sum().clamp(min=1e-6)


def _cross_entropy(similarity: Tensor, candidate: Tensor) -> Tensor:
    """Minus the log softmax, over each row's candidates, of the diagonal: [B, T]."""
    log_softmax = similarity.masked_fill(~candidate, -torch.inf).log_softmax(dim=2)
    return -log_softmax.diagonal(dim1=1, dim2=2)


def misalignment(lattice: Tensor) -> Tensor:
    """Return minus the log softmax, over each frame's offsets, of offset 0 (AVH-Align, Smeu et al., CVPR 2025).

    Args:
        lattice: float [T, 2τ + 1], how well the speech at t + δ fits the lips at t.

    Returns:
        float [T].
    """
    return -lattice.log_softmax(dim=1)[:, lattice.shape[1] // 2]
