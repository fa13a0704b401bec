"""How good a reconstruction looks beside its real clip: six measures of pixels, none of which a detector learned."""

from dataclasses import astuple, dataclass
from math import inf, isnan, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace

Pictures = NDArray[np.uint8]  # [T, h, w, 3], sRGB, or one of them
Masks = NDArray[np.float32]  # [T, h, w], the share of each pixel that is rebuilt, 0 to 1
Series = NDArray[np.float64]  # [T], a number for each picture

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_PEAK = 255.0
# Added to energies before their logarithm: the rounding of 8 bits, (1/12) ** 0.5 grey levels. Black stays finite.
_ROUNDING = 0.29
# Pixels of which less than this is rebuilt count as outside the mask.
_OUTSIDE = 0.01
_STRIDE = 2  # colour is a mean over the mask: every second row and column are enough
_STEP = 2  # what does not change from picture to picture is measured on every second one
_MARGIN = 8  # pixels


@dataclass(frozen=True, slots=True)
class Quality:
    """Six measures. Of a reconstruction they compare it with its real clip, of a real clip with itself a moment later.

    Attributes:
        psnr: peak signal-to-noise ratio inside the mask (dB); higher is better.
        ssim: structural similarity inside the mask (Wang et al., IEEE TIP 2004), of luma; 1 is the same.
        sharpness: log of how sharp the inside is, as a ratio to the outside, against the same ratio of the real clip.
            Below 0: softer.
        boundary: log of the gradient along the edge of the mask, in all colours, against the real picture's there.
            Above 0: a seam; below 0: a blurred rim.
        jitter: log of how much pixels inside the mask shake (second difference over time), against the real clip's.
            Above 0: flicker; below 0: smoothed over time.
        colour: distance of the mean colours inside the mask in CIELAB (ΔE*ab; about 2.3 is just noticeable).
    """

    psnr: float
    ssim: float
    sharpness: float
    boundary: float
    jitter: float
    colour: float

    def shares(self, bounds: "Quality") -> dict[str, float]:
        """How much of what is allowed each measure takes: at most 1 if it keeps its bound; infinity if it is not known.

        Of the PSNR the error (root mean square) is compared, of the SSIM its distance from 1, of the others the size.
        """
        shares = {
            "psnr": 10 ** ((bounds.psnr - self.psnr) / 20),
            "ssim": (1 - self.ssim) / (1 - bounds.ssim),
            **{name: abs(getattr(self, name)) / getattr(bounds, name) for name in _DISTANCES},
        }
        return {name: inf if isnan(share) else share for name, share in shares.items()}

    def flaw(self, bounds: "Quality") -> float:
        """The largest of the shares: a reconstruction is as visible as its worst flaw. At most 1: it passes."""
        return max(self.shares(bounds).values())


HIGHER_IS_BETTER = ("psnr", "ssim")
_DISTANCES = ("sharpness", "boundary", "jitter", "colour")


@dataclass(frozen=True, slots=True)
class Look:
    """What T pictures look like inside and around masks.

    Attributes:
        sharpness, boundary: logs, of every second picture, float [⌈T/2⌉].
        jitter: log, float [max(0, T - 2)].
        colour: mean L*, a*, b* inside the masks, of every second picture, float [⌈T/2⌉, 3].
    """

    sharpness: Series
    boundary: Series
    jitter: Series
    colour: NDArray[np.float64]

    def halves(self) -> tuple["Look", "Look"]:
        """The first and the second half, as near as can be."""
        parts = [np.array_split(values, 2) for values in astuple(self)]
        first, second = zip(*parts, strict=True)
        return Look(*first), Look(*second)

    def against(self, other: "Look") -> dict[str, float]:
        """The four distances of `Quality` to another look, each a mean over the pictures."""
        logs = {name: getattr(self, name).mean() - getattr(other, name).mean() for name in _DISTANCES[:3]}
        colour = np.linalg.norm(self.colour.mean(axis=0) - other.colour.mean(axis=0))
        return {name: float(value) for name, value in {**logs, "colour": colour}.items()}


def look(pictures: Pictures, masks: Masks) -> Look:
    """Measure what pictures look like; every picture has pixels inside and outside its mask, and an edge between."""
    luma = pictures @ _LUMA
    shaking = np.sqrt(_mean(np.diff(luma, 2, axis=0) ** 2, masks[1:-1]))
    some = slice(None, None, _STEP)
    detail, few = np.abs(np.stack([laplace(picture) for picture in luma[some]])), masks[some]
    sharpness = _log(_mean(detail, few)) - _log(_mean(detail, (few < _OUTSIDE).astype(np.float32)))
    inside, near = pictures[some][_around(few)], few[_around(few)]
    return Look(sharpness, _log(_mean(_gradient(inside), _edges(near))), _log(shaking), _colour(inside, near))


def likeness(pictures: Pictures, others: Pictures, masks: Masks) -> tuple[Series, Series]:
    """Mean squared error over colours and SSIM of luma, inside masks, of every second picture: two [⌈T/2⌉]."""
    from skimage.metrics import structural_similarity

    some = slice(None, None, _STEP)
    box = _around(masks[some])
    one, other, few = pictures[some][box], others[some][box], masks[some][box]
    error = ((one.astype(np.float32) - other) ** 2).mean(axis=-1)
    # The window of Wang et al. (2004), section III-B.
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(one @ _LUMA, other @ _LUMA, strict=True)
    similarity: Any = structural_similarity  # has no types
    maps = [similarity(a, b, data_range=_PEAK, full=True, **window)[1] for a, b in pairs]
    return _mean(error, few), _mean(np.stack(maps), few)


def psnr(squared_error: float) -> float:
    """The peak signal-to-noise ratio (dB) of a mean squared error; at most 1/12 of a grey level squared is seen."""
    return 10 * log10(_PEAK**2 / max(squared_error, 1 / 12))


def _mean(values: NDArray[np.floating], weights: Masks) -> Series:
    """Weighted means of [T, h, w]: [T]; NaN without weight."""
    total = weights.sum(axis=(1, 2), dtype=np.float64)
    return np.asarray((values * weights).sum(axis=(1, 2), dtype=np.float64) / np.where(total == 0, np.nan, total))


def _around(masks: Masks) -> tuple[slice, slice, slice]:
    """The pixels about which masks say something, with a margin for filters; all where they say nothing."""
    spans = [np.flatnonzero(masks.any(axis=(0, axis))) for axis in (2, 1)]
    rows, columns = (slice(max(0, at[0] - _MARGIN), at[-1] + _MARGIN + 1) if len(at) else slice(None) for at in spans)
    return slice(None), rows, columns


def _log(energy: Series) -> Series:
    return np.log(energy + _ROUNDING)


def _gradient(pictures: Pictures) -> NDArray[np.float32]:
    """Length of the gradient over all three colours, central differences: [T, h, w]."""
    colours = pictures.astype(np.float32)
    return np.asarray(np.sqrt(sum((np.gradient(colours, axis=axis) ** 2).sum(axis=-1) for axis in (1, 2))))


def _edges(masks: Masks) -> Masks:
    """Where masks rise and fall: the length of their gradient, [T, h, w]."""
    return np.asarray(np.hypot(np.gradient(masks, axis=1), np.gradient(masks, axis=2)), np.float32)


def _colour(pictures: Pictures, masks: Masks) -> NDArray[np.float64]:
    from skimage.color import rgb2lab

    few, weights = pictures[:, ::_STRIDE, ::_STRIDE], masks[:, ::_STRIDE, ::_STRIDE]
    lab = rgb2lab(few)
    return np.stack([_mean(lab[..., channel], weights) for channel in range(3)], axis=1)
