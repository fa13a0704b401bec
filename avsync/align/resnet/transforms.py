"""How training alters mouth crops, with torchvision: what differs between faces, cameras and landmark errors."""

import torch
from torch import Tensor

from avsync.face import LIP_SIDE

_TILT = 9.0  # degrees: what the alignment leaves of a tilted head
_AREA, _ASPECT = (0.65, 1.0), (0.87, 1.15)  # of the crop: faces are cut larger or smaller, mouths are broad or narrow
_LIGHT = 0.4  # brightness and contrast, times 0.6 to 1.4: cameras and lighting
_BLURRED, _BLUR = 0.25, (0.3, 1.5)  # share of clips, and radius in pixels: low resolution, strong compression
_COVERED, _PATCH = 0.25, (0.02, 0.1)  # share of clips, and of the picture: hands, microphones, captions
_GREY = 128  # which the network takes for zero


class MouthTransforms:
    """Alters clips, the same way in all frames of one: only what moves in time tells of speech.

    Everything is drawn from torch's own generator on the CPU.
    """

    def __init__(self) -> None:
        from torchvision.transforms import InterpolationMode, v2  # here: not all trainings need torchvision

        blur = v2.GaussianBlur(5, _BLUR)
        self._alter = v2.Compose(
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
        """Altered mouth crops, uint8 [B, T, 88, 88], of uint8 [B, T, 96, 96]."""
        return torch.stack([self._alter(clip[:, None])[:, 0] for clip in mouths])
