"""The quality of a reconstruction beside its real clip, and of a real clip beside itself: what is allowed."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from avsync.reconstruct.face import FaceFootage, Rebuilt
from avsync.reconstruct.face.outline import steady
from avsync.reconstruct.face.regions import outline_of
from avsync.stress.measures import HIGHER_IS_BETTER, Look, Masks, Quality, Series, likeness, look, psnr
from avsync.stress.shot import Shot, pieces

# The masks of real clips: as reconstructions have them, with the middle of the feathers that `rebuild_face` draws.
_FEATHER = 0.35


def quality_of(shot: Shot, rebuilt: Rebuilt) -> Quality:
    """Measure a reconstruction against the pictures it was made of. NaN where nothing was rebuilt."""
    real, fake, errors, similar = list[Look](), list[Look](), list[Series](), list[Series]()
    for piece in pieces(shot):
        masks, pictures = piece.masks(rebuilt.mask), piece.rebuilt(rebuilt)
        real.append(look(piece.pictures, masks))
        fake.append(look(pictures, masks))
        error, similarity = likeness(piece.pictures, pictures, masks)
        errors.append(error)
        similar.append(similarity)
    return Quality(**_alike(errors, similar), **joined(fake).against(joined(real)))


def quality_of_real(shot: Shot) -> Quality:
    """Measure how far a real clip is from itself, in a mask over the face.

    Each picture is compared with the next (PSNR, SSIM), and the first half of the clip with the second (the others).
    """
    outlined, looks, errors, similar = face_masks(shot.footage), list[Look](), list[Series](), list[Series]()
    for piece in pieces(shot):
        masks = piece.masks(outlined)
        looks.append(look(piece.pictures, masks))
        error, similarity = likeness(piece.pictures[:-1], piece.pictures[1:], masks[:-1])
        errors.append(error)
        similar.append(similarity)
    first, second = joined(looks).halves()
    return Quality(**_alike(errors, similar), **second.against(first))


def face_masks(footage: FaceFootage) -> Masks:
    """Masks over the whole face, float32 [T, S, S]."""
    face = steady(footage)
    return outline_of("hull", face.points).mask(face.grid(footage.pictures.shape[2]), _FEATHER)


def allowed(real: Sequence[Quality], people: Sequence[str], share: float) -> Quality:
    """Return the bounds that a share of real clips keep, each person weighing the same.

    Args:
        real: how far real clips are from themselves; at least one.
        people: who is seen, [n].
        share: 0 to 1.
    """
    counts = {person: people.count(person) for person in people}
    weights = np.array([1 / counts[person] for person in people])

    def bound(name: str) -> float:
        values = np.array([getattr(quality, name) for quality in real])
        distance = -values if name in HIGHER_IS_BETTER else np.abs(values)
        return float(abs(np.quantile(distance, share, weights=weights, method="inverted_cdf")))

    return Quality(**{field.name: bound(field.name) for field in fields(Quality)})


def joined(looks: Sequence[Look]) -> Look:
    """The looks of pieces that follow each other as one."""
    names = [field.name for field in fields(Look)]
    return Look(*(np.concatenate([getattr(one, name) for one in looks]) for name in names))


def _alike(errors: Sequence[Series], similar: Sequence[Series]) -> dict[str, float]:
    return {
        "psnr": psnr(float(np.mean(np.concatenate(errors)))),
        "ssim": float(np.mean(np.concatenate(similar))),
    }
