"""Weights of frames in means over a clip."""

from torch import Tensor


def speech_weights(speech_share: Tensor) -> Tensor:
    """Return weights that sum to 1 over a clip and are 0 in silence, so that added silence changes no mean.

    Args:
        speech_share: float [B, T], the share of speech in each frame. A clip without speech gets equal weights.

    Returns:
        float [B, T].
    """
    total = speech_share.sum(dim=1, keepdim=True)
    equal = speech_share.new_full(speech_share.shape, 1 / speech_share.shape[1])
    return (speech_share / total.clamp(min=1e-6)).where(total > 0, equal)
