"""Self-blended images (Shiohara & Yamasaki, CVPR 2022, section 3.2): a face blended over itself, slightly changed.

Colours, sharpness, size and place differ as they do between the two faces of a face swap; the draw is the same for all
pictures of the footage.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.reconstruct.face.interface import FaceFootage
from avsync.reconstruct.face.outline import steady
from avsync.reconstruct.face.tensors import resized, to_pictures, to_tensor
from avsync.reconstruct.face.warp import ALIGNED, moved

_CHANNEL = 20.0  # grey levels, the largest shift of one channel
_TONE = 0.3  # of saturation, up or down
_LIGHT = 0.1  # of brightness and of contrast, up or down
_DOWN = (1.2, 2.5)  # times smaller; the paper has 2 to 4 for pictures of 380 pixels
_SHARPER = (0.2, 0.5)  # share of what an unsharp mask adds
_MOVED = (0.03, 0.015)  # of the side of the aligned frame, across and down
_SIZE = (0.95, 1 / 0.95)


def self_blended(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
    """Change colour, sharpness, size and place of a face (see `FaceReconstruction.function`)."""
    pictures = _other_sharpness(_other_colours(to_tensor(footage.pictures), rng), rng)
    return to_pictures(_elsewhere(pictures, footage, rng).clamp(0, 255))


def _other_colours(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift the channels; change saturation, brightness and contrast."""
    shift = torch.from_numpy(rng.uniform(-_CHANNEL, _CHANNEL, (1, 3, 1, 1)).astype(np.float32))
    saturation, contrast = (1 + rng.uniform(-most, most) for most in (_TONE, _LIGHT))
    brightness = 255 * rng.uniform(-_LIGHT, _LIGHT)
    grey = pictures.mean(dim=1, keepdim=True)
    middle = float(grey.numpy().mean(dtype=np.float64))  # of torch, it depends on the number of threads
    toned = grey + saturation * (pictures - grey)
    return middle + contrast * (toned - middle) + brightness + shift


def _other_sharpness(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Shrink and enlarge again, or sharpen."""
    size = pictures.shape[-1]
    if rng.random() < 0.5:
        small = round(size / rng.uniform(*_DOWN))
        return resized(resized(pictures, small, small), size, size)
    soft = resized(resized(pictures, size // 2, size // 2), size, size)
    return pictures + rng.uniform(*_SHARPER) * (pictures - soft)


def _elsewhere(pictures: Tensor, footage: FaceFootage, rng: np.random.Generator) -> Tensor:
    """Move the face a little, and change its size."""
    factor = rng.uniform(*_SIZE)
    shift = complex(*(rng.uniform(-most, most) for most in _MOVED)) * ALIGNED
    face = steady(footage)
    centre = face.pixels(face.points).mean(axis=1)[:, None, None]
    size = pictures.shape[-1]
    places = np.arange(size) + 1j * np.arange(size)[:, None]
    return moved(pictures, centre + (places - centre - shift / face.turn[..., None]) / factor)
