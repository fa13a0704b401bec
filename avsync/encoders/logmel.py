"""What the speech encoder hears: log mel energies, free of the clip's loudness and timbre."""

from torch import Tensor

from avsync.encoders.weights import speech_weights

MEL_PER_FRAME = 4  # log mel at 100 Hz, pictures at 25 Hz
# About the standard deviation of speech in nepers of power; brings the input to the scale networks start from.
_SCALE = 2.0


def standardise_mel(mel: Tensor, speech: Tensor) -> Tensor:
    """Subtract each band's mean over the clip's speech, which takes gain and microphone with it, and divide by 2.

    Args:
        mel: float [B, 4T, 40] of `avsync.speech.log_mel`.
        speech: float [B, T], the share of speech in each frame.

    Returns:
        float [B, 4T, 40].
    """
    weights = speech_weights(speech).repeat_interleave(MEL_PER_FRAME, dim=1) / MEL_PER_FRAME
    return (mel - (mel * weights[..., None]).sum(dim=1, keepdim=True)) / _SCALE
