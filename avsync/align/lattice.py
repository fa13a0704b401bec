"""The lattice: how well the lips of each frame fit the speech a little earlier or later."""

import torch
from torch import Tensor
from torch.nn.functional import pad

TAU = 15  # frames; lattices look 0.6 s back and forth, as SpeechForensics and AVH-Align do
# An offset counts where it is judged by at least this share of the clip's speech.
_JUDGED = 0.35
_SILENT = 1e-6  # the weight of silence in a logarithm


def lattice(lips: Tensor, speech: Tensor, weight: Tensor, temperature: float, tau: int) -> Tensor:
    """How much more likely the speech at t + δ is with the lips at t than any speech of the clip, δ = -τ … τ.

    InfoNCE learns dot products that are, up to a constant, log density ratios (van den Oord et al., 2018, section 2.3).
    Dividing by their mean over the clip's speech, for the lips at t and for the speech at t + δ, takes away what either
    fits everywhere; what is left estimates their pointwise mutual information, and does not grow with the clip.

    Args:
        lips, speech: float [T, C] of unit length, or shorter where they are less sure.
        weight: float [T], the share of speech in each frame.
        temperature: what dot products are multiplied by.
        tau: the largest offset in frames.

    Returns:
        float [T, 2τ + 1] in nats, NaN where t + δ is outside the clip.
    """
    fit = temperature * lips @ speech.T
    silence = weight.clamp(min=_SILENT).log()
    total = silence.logsumexp(dim=0)
    by_lips = (fit + silence).logsumexp(dim=1, keepdim=True) - total
    by_speech = (fit + silence[:, None]).logsumexp(dim=0, keepdim=True) - total
    return diagonals(fit - (by_lips + by_speech) / 2, tau)


def diagonals(square: Tensor, tau: int) -> Tensor:
    """Of every frame's fit with every frame, float [T, T], the diagonals -τ … τ: [T, 2τ + 1], NaN outside the clip."""
    padded = pad(square, (tau, tau), value=torch.nan)
    # Row t of the padded square from column t on: the square's diagonals become columns.
    return padded.as_strided((len(square), 2 * tau + 1), (padded.stride(0) + 1, 1))


def mean_over_time(lattice: Tensor, weight: Tensor) -> Tensor:
    """The lattice's mean over the clip's speech.

    Args:
        lattice: float [T, 2τ + 1].
        weight: float [T], the share of speech in each frame.

    Returns:
        float [2τ + 1], NaN for offsets that too few spoken frames can judge.
    """
    weights = weight[:, None] * ~lattice.isnan()
    heard = weights.sum(dim=0)
    mean = (lattice.nan_to_num() * weights).sum(dim=0) / heard.clamp(min=1e-6)
    return mean.where((heard > 0) & (heard >= _JUDGED * weight.sum()), torch.nan)
