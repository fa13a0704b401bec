"""The quality of a reconstruction beside its real clip, and of a real clip beside itself: what is allowed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from avsync.media import FPS
from avsync.reconstruct.face import REGIONS, Rebuilt, Region
from avsync.reconstruct.face.outline import steady
from avsync.reconstruct.face.regions import outline_of
from avsync.stress.measures import HIGHER_IS_BETTER, Look, Masks, Quality, Series, likeness, look, psnr
from avsync.stress.shot import Piece, Shot, pieces

# The masks of real clips: as reconstructions have them, with the middle of the feathers that `rebuild_face` draws.
_FEATHER = 0.35
# Pictures between those of a real clip whose pixels are compared: a fifth of a second. Syllables follow each other as
# fast (Ding et al., Neuroscience and Biobehavioral Reviews 2017: 4 to 5 in a second).
_LATER = FPS // 5


def quality_of(shot: Shot, rebuilt: Rebuilt) -> Quality:
    """Measure a reconstruction against the pictures it was made of. NaN where nothing was rebuilt."""
    real, fake, errors, similar = list[Look](), list[Look](), list[Series](), list[Series]()
    for piece in pieces(shot):
        masks, pictures = piece.masks(rebuilt.mask[piece.span]), piece.rebuilt(rebuilt)
        real.append(look(piece.pictures, masks))
        fake.append(look(pictures, masks))
        error, similarity = likeness(piece.pictures, pictures, masks)
        errors.append(error)
        similar.append(similarity)
    return Quality(**_alike(errors, similar), **joined(fake).against(joined(real)))


def quality_of_real(shot: Shot) -> dict[Region, Quality]:
    """Measure how far a real clip is from itself, in a mask over each part of the face.

    Each picture is compared with the one a fifth of a second later (PSNR, SSIM), and the first half of the clip with
    the second (the others).
    """
    looks, errors, similar = (defaultdict[Region, list[Any]](list) for _ in range(3))
    for piece, parts in masked(shot, REGIONS):
        for region, masks in parts.items():
            looks[region].append(look(piece.pictures, masks))
            if len(piece.pictures) > _LATER:
                error, similarity = likeness(piece.pictures[:-_LATER], piece.pictures[_LATER:], masks[:-_LATER])
                errors[region].append(error)
                similar[region].append(similarity)

    def quality(region: Region) -> Quality:
        first, second = joined(looks[region]).halves()
        return Quality(**_alike(errors[region], similar[region]), **second.against(first))

    return {region: quality(region) for region in REGIONS}


def masked(shot: Shot, regions: Sequence[Region]) -> Iterator[tuple[Piece, dict[Region, Masks]]]:
    """Yield a shot second by second, with masks over parts of the face."""
    face, size = steady(shot.footage), shot.footage.pictures.shape[2]
    outlines = {region: outline_of(region, face.points) for region in regions}
    for piece in pieces(shot):
        grid = face[piece.span].grid(size)
        yield piece, {of: piece.masks(outline[piece.span].mask(grid, _FEATHER)) for of, outline in outlines.items()}


def allowed(real: Sequence[dict[Region, Quality]], people: Sequence[str], share: float) -> dict[Region, Quality]:
    """Return, for each part of the face, the bounds that a share of real clips keep, each person weighing the same.

    Args:
        real: how far real clips are from themselves; at least one.
        people: who is seen, [n].
        share: 0 to 1.
    """
    counts = {person: people.count(person) for person in people}
    weights = np.array([1 / counts[person] for person in people])

    def bound(region: Region, name: str) -> float:
        values = np.array([getattr(quality[region], name) for quality in real])
        distance = -values if name in HIGHER_IS_BETTER else np.abs(values)
        return float(abs(np.quantile(distance, share, weights=weights, method="inverted_cdf")))

    names = [field.name for field in fields(Quality)]
    return {region: Quality(**{name: bound(region, name) for name in names}) for region in REGIONS}


def joined(looks: Sequence[Look]) -> Look:
    """The looks of pieces that follow each other as one."""
    names = [field.name for field in fields(Look)]
    return Look(*(np.concatenate([getattr(one, name) for one in looks]) for name in names))


def _alike(errors: Sequence[Series], similar: Sequence[Series]) -> dict[str, float]:
    return {
        "psnr": psnr(float(np.mean(np.concatenate(errors)))),
        "ssim": float(np.mean(np.concatenate(similar))),
    }
