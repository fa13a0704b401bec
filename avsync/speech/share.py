"""How much each frame counts in the means of its clip."""

from torch import Tensor


def speech_weights(speech: Tensor) -> Tensor:
    """Weights of frames that sum to 1 over a clip and are 0 in silence, so that added silence moves no mean.

    Args:
        speech: float [B, T], the share of speech in each frame; a clip without speech gets equal weights.

    Returns:
        float [B, T].
    """
    total = speech.sum(dim=1, keepdim=True)
    equal = speech.new_full(speech.shape, 1 / speech.shape[1])
    return (speech / total.clamp(min=1e-6)).where(total > 0, equal)
