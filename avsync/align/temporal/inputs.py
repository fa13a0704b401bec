"""Inputs of the default model: mouth pixels and log mel, standardised over the clip's speech."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from avsync.face import MOUTH_SIDE
from avsync.speech.filterbank import STEPS_PER_FRAME
from avsync.speech.share import speech_weights

PIXEL_SIDE = 64
# The network gets the central 80 of the 96 pixels: lips and chin; the margin is for the shifts and zooms of training.
CENTRAL = 80 / MOUTH_SIDE
# Grey levels added to the standard deviation, so that the noise of a flat picture is not amplified.
DEVIATION_FLOOR = 4.0
# About the standard deviation of speech in nepers of power; scales the input to about 1.
_MEL_SCALE = 2.0


def mouth_pixels(crops: Tensor, speech_share: Tensor) -> Tensor:
    """Return the central 80×80 pixels of mouth crops, resampled to 64×64 and standardised.

    Args:
        crops: uint8 [B, T, 96, 96] of `avsync.face.mouth_crops`.
        speech_share: float [B, T], the share of speech in each frame.

    Returns:
        float32 [B, T, 64, 64].
    """
    straight = torch.tensor([[CENTRAL, 0, 0], [0, CENTRAL, 0]], device=crops.device)
    return standardise_pixels(resample(crops, straight.expand(len(crops), 2, 3)), speech_share, DEVIATION_FLOOR)


def resample(crops: Tensor, transforms: Tensor) -> Tensor:
    """Sample every frame of clip b bilinearly on the 64×64 grid that the affine map `transforms[b]` places.

    Args:
        crops: uint8 [B, T, 96, 96].
        transforms: float32 [B, 2, 3], from [-1, 1]² of the result to [-1, 1]² of the crop; edges are repeated.

    Returns:
        float32 [B, T, 64, 64].
    """
    grid = affine_grid(transforms, [len(crops), 1, PIXEL_SIDE, PIXEL_SIDE], align_corners=False)
    return grid_sample(crops.float(), grid, padding_mode="border", align_corners=False)


def standardise_pixels(pixels: Tensor, speech_share: Tensor, floor: float = 1e-3) -> Tensor:
    """Subtract the mean over the clip's speech and divide by the standard deviation plus `floor`.

    Args:
        pixels: float [B, T, H, W].
        speech_share: float [B, T], the share of speech in each frame.
        floor: in units of `pixels`.

    Returns:
        float [B, T, H, W].
    """
    weights = speech_weights(speech_share)[..., None, None] / pixels[0, 0].numel()
    centred = pixels - (pixels * weights).sum(dim=(1, 2, 3), keepdim=True)
    deviation = (centred.square() * weights).sum(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / (deviation + floor)


def standardise_mel(mel: Tensor, speech_share: Tensor) -> Tensor:
    """Subtract each band's mean over the clip's speech, which removes gain and microphone, and divide by 2.

    Args:
        mel: float [B, 4T, 40] of `avsync.speech.log_mel`.
        speech_share: float [B, T], the share of speech in each frame.

    Returns:
        float [B, 4T, 40].
    """
    weights = speech_weights(speech_share).repeat_interleave(STEPS_PER_FRAME, dim=1) / STEPS_PER_FRAME
    return (mel - (mel * weights[..., None]).sum(dim=1, keepdim=True)) / _MEL_SCALE
