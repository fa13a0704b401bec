"""Rebuild a face and blend it into the footage it was made of."""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.reconstruct.face.blending import BLENDINGS
from avsync.reconstruct.face.interface import FaceFootage, Pictures, Rebuilt
from avsync.reconstruct.face.outline import Outline, Steady, steady, wavering
from avsync.reconstruct.face.regions import outline_of
from avsync.reconstruct.face.registry import described, load_face_reconstruction
from avsync.reconstruct.face.tensors import to_pictures, to_tensor

_PIECE = 25  # pictures blended at a time, which bounds the memory
_WAVERING = 0.04
_FEATHER = (0.1, 0.6)
_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # Shiohara & Yamasaki 2022, section 3.2


def rebuild_face(
    footage: FaceFootage,
    kind: str,
    rng: np.random.Generator,
    *,
    blending: str | None = None,
    device: str = "cpu",
) -> Rebuilt:
    """Return footage in which a part of the face is a reconstruction of itself.

    Args:
        footage: of at least one picture.
        kind: as `load_face_reconstruction` says.
        rng: draws the settings of the kind, the part of the face, the outline and the blending.
        blending: a key of `BLENDINGS`; None: drawn.
        device: where networks run.

    Raises:
        UsageError: not such a kind or blending, or a package or weights that are missing.
    """
    named = blending or str(rng.choice(list(BLENDINGS)))
    if named not in BLENDINGS:
        raise UsageError(f"'{named}': not a way of blending; choose from {', '.join(BLENDINGS)}")
    source = load_face_reconstruction(kind, device)(footage, rng)
    face = steady(footage)
    region = described(kind).regions[rng.integers(len(described(kind).regions))]
    outline = outline_of(region, face.points).scaled(wavering(rng, _WAVERING))
    return _blended(footage, source, face, outline, named, rng.uniform(*_FEATHER), float(rng.choice(_RATIOS)))


def _blended(
    footage: FaceFootage,
    source: Pictures,
    face: Steady,
    outline: Outline,
    blending: str,
    feather: float,
    ratio: float,
) -> Rebuilt:
    blend = _imported(BLENDINGS[blending].function)
    pictures = footage.pictures.copy()
    masks = np.empty(pictures.shape[:3], np.float32)
    for start in range(0, len(footage), _PIECE):
        piece = slice(start, start + _PIECE)
        mask = outline[piece].mask(face[piece].grid(pictures.shape[2]), feather)
        target = to_tensor(footage.pictures[piece])
        done = blend(to_tensor(source[piece]), target, torch.from_numpy(mask)[:, None])
        masks[piece] = mask * np.float32(ratio)
        pictures[piece] = _put(footage.pictures[piece], to_pictures(target + ratio * (done - target)), mask)
    return Rebuilt(pictures, masks)


def _put(real: NDArray[np.uint8], done: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The pixels of `done` where the mask is above 0."""
    return np.where(mask[..., None] > 0, np.rint(done).clip(0, 255).astype(np.uint8), real)


def _imported(function: str) -> Any:
    module, _, name = function.partition(":")
    return getattr(import_module(module, __package__), name)
