"""The lattice: how well the lips of each frame fit the speech a little earlier or later."""

import torch
from torch import Tensor
from torch.nn.functional import pad

TAU = 15  # frames; the lattice covers ±0.6 s, as in SpeechForensics and AVH-Align
# An offset counts only if the frames it is defined for hold at least this share of the clip's speech.
_MIN_COVERED = 0.35
_MIN_SHARE = 1e-6  # speech share of silence, so that its logarithm is finite


def lattice(
    lip_features: Tensor, speech_features: Tensor, speech_share: Tensor, temperature: float, tau: int
) -> Tensor:
    """Return how much more likely the speech at t + δ is given the lips at t than any speech of the clip, δ = -τ … τ.

    Dot products learned by InfoNCE are log density ratios up to a constant (van den Oord et al., 2018, section 2.3).
    Dividing by their mean over the clip's speech, once for the lips at t and once for the speech at t + δ, removes what
    either fits everywhere. The rest estimates their pointwise mutual information and does not depend on the clip's
    length.

    Args:
        lip_features, speech_features: float [T, D] of unit length, or shorter where the model is less sure.
        speech_share: float [T], the share of speech in each frame.
        temperature: factor of the dot products.
        tau: the largest offset in frames.

    Returns:
        float [T, 2τ + 1] in nats, NaN where t + δ is outside the clip.
    """
    similarity = temperature * lip_features @ speech_features.T
    log_share = speech_share.clamp(min=_MIN_SHARE).log()
    total = log_share.logsumexp(dim=0)
    mean_for_lips = (similarity + log_share).logsumexp(dim=1, keepdim=True) - total
    mean_for_speech = (similarity + log_share[:, None]).logsumexp(dim=0, keepdim=True) - total
    return diagonals(similarity - (mean_for_lips + mean_for_speech) / 2, tau)


def diagonals(square: Tensor, tau: int) -> Tensor:
    """Return the diagonals -τ … τ of a square, float [T, T], as columns: [T, 2τ + 1], NaN outside the square."""
    padded = pad(square, (tau, tau), value=torch.nan)
    # Row t of the padded square, read from column t on: the square's diagonals become columns.
    return padded.as_strided((len(square), 2 * tau + 1), (padded.stride(0) + 1, 1))


def mean_over_time(lattice: Tensor, speech_share: Tensor) -> Tensor:
    """Return the lattice's mean over the clip's speech.

    Args:
        lattice: float [T, 2τ + 1].
        speech_share: float [T], the share of speech in each frame.

    Returns:
        float [2τ + 1], NaN for offsets that too little speech covers.
    """
    weights = speech_share[:, None] * ~lattice.isnan()
    covered = weights.sum(dim=0)
    mean = (lattice.nan_to_num() * weights).sum(dim=0) / covered.clamp(min=1e-6)
    return mean.where((covered > 0) & (covered >= _MIN_COVERED * speech_share.sum()), torch.nan)
