"""Network inputs of the default model: mouth pixels and log mel, standardised over the clip's speech."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from avsync.speech.share import speech_weights
from avsync.face import MOUTH_SIDE

PIXEL_SIDE = 64
# The central 80 of the 96 pixels: lips and chin, and room for the training's shifts and zooms.
SHOWN = 80 / MOUTH_SIDE
# Grey levels added to the standard deviation, so that a flat picture's noise is not blown up.
_FLOOR = 4.0
MEL_PER_FRAME = 4  # log mel at 100 Hz, pictures at 25 Hz
# About the standard deviation of speech in nepers of power; brings the input to the scale networks start from.
_MEL_SCALE = 2.0


def mouth_pixels(crops: Tensor, speech: Tensor) -> Tensor:
    """The central 80×80 of mouth crops, standardised.

    Args:
        crops: uint8 [B, T, 96, 96] of `avsync.face.mouth_crops`.
        speech: float [B, T], the share of speech in each frame.

    Returns:
        float32 [B, T, 64, 64].
    """
    straight = torch.tensor([[SHOWN, 0, 0], [0, SHOWN, 0]], device=crops.device)
    return standardise_pixels(resample(crops, straight.expand(len(crops), 2, 3)), speech, _FLOOR)


def resample(crops: Tensor, transforms: Tensor) -> Tensor:
    """Bilinear samples of every frame of clip b where the affine map `transforms[b]` puts the 64×64 grid.

    Args:
        crops: uint8 [B, T, 96, 96].
        transforms: float32 [B, 2, 3], from [-1, 1]² of the result to [-1, 1]² of the crop; edges are repeated.

    Returns:
        float32 [B, T, 64, 64].
    """
    grid = affine_grid(transforms, [len(crops), 1, PIXEL_SIDE, PIXEL_SIDE], align_corners=False)
    return grid_sample(crops.float(), grid, padding_mode="border", align_corners=False)


def standardise_pixels(pixels: Tensor, speech: Tensor, floor: float = 1e-3) -> Tensor:
    """Subtract the mean over the clip's speech and divide by the standard deviation plus `floor`.

    Args:
        pixels: float [B, T, H, W].
        speech: float [B, T], the share of speech in each frame.
        floor: in units of `pixels`.

    Returns:
        float [B, T, H, W].
    """
    weights = speech_weights(speech)[..., None, None] / pixels[0, 0].numel()
    centred = pixels - (pixels * weights).sum(dim=(1, 2, 3), keepdim=True)
    deviation = (centred.square() * weights).sum(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / (deviation + floor)


def standardise_mel(mel: Tensor, speech: Tensor) -> Tensor:
    """Subtract each band's mean over the clip's speech, which takes gain and microphone with it, and divide by 2.

    Args:
        mel: float [B, 4T, 40] of `avsync.speech.log_mel`.
        speech: float [B, T], the share of speech in each frame.

    Returns:
        float [B, 4T, 40].
    """
    weights = speech_weights(speech).repeat_interleave(MEL_PER_FRAME, dim=1) / MEL_PER_FRAME
    return (mel - (mel * weights[..., None]).sum(dim=1, keepdim=True)) / _MEL_SCALE
