"""Inputs of the default model: mouth pixels and log mel, standardised over the clip's speech."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from avsync.face import MOUTH_SIDE
from avsync.speech.filterbank import STEPS_PER_FRAME
from avsync.speech.share import speech_weights

PIXEL_SIDE = 48
# The network gets the central 80 of the 96 pixels: lips and chin; the margin is for the shifts and zooms of training.
CENTRAL = 80 / MOUTH_SIDE
# Grey levels added to the standard deviation, so that the noise of a flat picture is not amplified.
DEVIATION_FLOOR = 4.0
# About the standard deviation of speech in nepers of power; scales the input to about 1.
_MEL_SCALE = 2.0


def mouth_pixels(crops: Tensor, speech_share: Tensor) -> Tensor:
    """Return the central 80×80 pixels of mouth crops, resampled to 48×48 and standardised.

    Args:
        crops: uint8 [B, T, 96, 96] of `avsync.face.mouth_crops`.
        speech_share: float [B, T], the share of speech in each frame.

    Returns:
        float32 [B, T, 48, 48].
    """
    straight = torch.tensor([[CENTRAL, 0, 0], [0, CENTRAL, 0]], device=crops.device)
    return standardise_pixels(
        resample(crops, grid_of(straight.expand(len(crops), 2, 3))), speech_share, DEVIATION_FLOOR
    )


def grid_of(transforms: Tensor) -> Tensor:
    """Return where the affine maps, float32 [B, 2, 3], place the pixels of the result: [B, 48, 48, 2] in [-1, 1]²."""
    return affine_grid(transforms, [len(transforms), 1, PIXEL_SIDE, PIXEL_SIDE], align_corners=False)


def resample(crops: Tensor, grid: Tensor) -> Tensor:
    """Sample every frame of clip b bilinearly at `grid[b]`; edges are repeated.

    Args:
        crops: uint8 [B, T, 96, 96].
        grid: float32 [B, 48, 48, 2], x and y in [-1, 1]² of the crop.

    Returns:
        float32 [B, T, 48, 48].
    """
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
    weights = speech_weights(speech_share)
    variance, mean = torch.var_mean(pixels, dim=(2, 3), correction=0)
    centre = (mean * weights).sum(dim=1, keepdim=True)
    deviation = ((variance + (mean - centre).square()) * weights).sum(dim=1, keepdim=True).sqrt()
    return (pixels - centre[..., None, None]) / (deviation[..., None, None] + floor)


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
