"""Augmentation of mouth crops with torchvision: differences between faces and cameras, and landmark errors."""

import torch
from torch import Tensor

from avsync.face import LIP_SIDE

_TILT = 9.0  # degrees: head tilt that the alignment leaves
_AREA, _ASPECT = (0.65, 1.0), (0.87, 1.15)  # of the crop: larger or smaller faces, broad or narrow mouths
_LIGHT = 0.4  # brightness and contrast, times 0.6 to 1.4: cameras and lighting
_BLURRED, _BLUR = 0.25, (0.3, 1.5)  # share of clips, and radius in pixels: as by low resolution
_COVERED, _PATCH = 0.25, (0.02, 0.1)  # share of clips, and of the picture: hands, microphones, captions
_GREY = 128  # zero at the network's input


class MouthTransforms:
    """Augments clips, all frames of a clip in the same way, because only changes between frames carry speech.

    Random numbers come from torch's global generator on the CPU.
    """

    def __init__(self) -> None:
        from torchvision.transforms import InterpolationMode, v2  # here: other trainings do not need torchvision

        blur = v2.GaussianBlur(5, _BLUR)
        self._transform = v2.Compose(
            [
                v2.RandomRotation(_TILT, InterpolationMode.BILINEAR, fill=_GREY),
                v2.RandomResizedCrop(LIP_SIDE, _AREA, _ASPECT, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=_LIGHT, contrast=_LIGHT),
                v2.RandomApply([blur], _BLURRED),
                v2.RandomErasing(_COVERED, _PATCH, value=_GREY),
            ]
        )

    def __call__(self, mouths: Tensor) -> Tensor:
        """Return augmented mouth crops, uint8 [B, T, 88, 88], of uint8 [B, T, 96, 96]."""
        return torch.stack([self._transform(clip[:, None])[:, 0] for clip in mouths])
