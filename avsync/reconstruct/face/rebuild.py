"""Rebuild a face and blend it into the footage it was made of."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.errors import UsageError
from avsync.reconstruct.face.blending import BLENDINGS
from avsync.reconstruct.face.interface import FaceFootage, Rebuilt
from avsync.reconstruct.face.matching import matched as as_filmed
from avsync.reconstruct.face.outline import Outline, Steady, steady, wavering
from avsync.reconstruct.face.regions import outline_of
from avsync.reconstruct.face.registry import described, imported, load_face_reconstruction
from avsync.reconstruct.face.seam import least_visible
from avsync.reconstruct.face.tensors import to_pictures, to_tensor

_PIECE = 25  # pictures blended at a time, which bounds the memory
_WAVERING = 0.04  # how far outlines are from those of the landmarks, as a share
_FEATHER = (0.15, 0.6)  # width of the edge of a mask, as a share of the way to its centre
_WIDE = 0.35  # the least width of an edge that nobody should see
_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # Shiohara & Yamasaki 2022, section 3.2


@dataclass(frozen=True)
class _Settings:
    """What is drawn for a reconstruction, besides what its kind draws."""

    blending: str
    matched: bool
    feather: float
    ratio: float


def rebuild_face(
    footage: FaceFootage,
    kind: str,
    rng: np.random.Generator,
    *,
    blending: str | None = None,
    matched: bool | None = None,
    device: str = "cpu",
) -> Rebuilt:
    """Return footage in which a part of the face is a reconstruction of itself.

    Args:
        footage: of at least one picture.
        kind: as `load_face_reconstruction` says.
        rng: draws the settings of the kind, the part of the face, the outline and the blending.
        blending: a key of `BLENDINGS`; None: drawn.
        matched: make it hard to see: the colours, detail and grain of the footage, a wide edge placed where the
            difference is least, and the reconstruction in full instead of a share of it; None: drawn, one half.
        device: where networks run.

    Raises:
        UsageError: not such a kind or blending, or a package or weights that are missing.
    """
    if blending is not None and blending not in BLENDINGS:
        raise UsageError(f"'{blending}': not a way of blending; choose from {', '.join(BLENDINGS)}")
    rebuild, regions = load_face_reconstruction(kind, device), described(kind).regions
    settings = _drawn(rng, blending, matched)
    face = steady(footage)
    waves = wavering(rng, _WAVERING)
    if settings.matched:
        waves = np.minimum(waves, 1)  # beyond the landmarks lies background, which a source that moved shows twice
    region = regions[rng.integers(len(regions))]
    outline = outline_of(region, face.points).scaled(waves)
    source, target = to_tensor(rebuild(footage, rng)), to_tensor(footage.pictures)
    if settings.matched:
        source = as_filmed(source, target, face, rng)
        outline = least_visible(source, target, face, outline, settings.feather)
    return Rebuilt(*_blended(footage.pictures, source, face, outline, settings), region)


def _drawn(rng: np.random.Generator, blending: str | None, matched: bool | None) -> _Settings:
    named, hidden, feather, ratio = (
        str(rng.choice(list(BLENDINGS))),
        bool(rng.random() < 0.5),
        rng.uniform(*_FEATHER),
        float(rng.choice(_RATIOS)),
    )
    hidden = hidden if matched is None else matched
    return _Settings(blending or named, hidden, max(feather, _WIDE) if hidden else feather, 1.0 if hidden else ratio)


def _blended(
    pictures: NDArray[np.uint8], source: Tensor, face: Steady, outline: Outline, settings: _Settings
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Blend piece by piece, each picture by itself. Return the pictures and the masks."""
    blend = imported(BLENDINGS[settings.blending].function)
    done, masks = pictures.copy(), np.empty(pictures.shape[:3], np.float32)
    for start in range(0, len(pictures), _PIECE):
        piece = slice(start, start + _PIECE)
        mask = outline[piece].mask(face[piece].grid(pictures.shape[2]), settings.feather)
        target = to_tensor(pictures[piece])
        change = blend(source[piece], target, torch.from_numpy(mask)[:, None]) - target
        shown = np.rint(to_pictures(target + settings.ratio * change)).clip(0, 255).astype(np.uint8)
        done[piece] = np.where(mask[..., None] > 0, shown, pictures[piece])
        masks[piece] = mask * np.float32(settings.ratio)
    return done, masks
