"""How the picture of a face holds together in space and time: readings of its pixels alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace

from avsync.face import alignment, sample

Floats = NDArray[np.floating]

# The part of the aligned 256×256 frame that is looked at, every second pixel: at half size, a video of 250 pixels and
# one of 4K show the same detail.
_LEFT, _TOP, _SIDE, _STEP = 49, 56, 160, 2
# Regions in that frame: left, right, top, bottom.
_MOUTH, _BROW = (104, 154, 142, 176), (86, 172, 62, 82)
_OTHERS = ((86, 118, 82, 106), (140, 172, 82, 106), (112, 146, 106, 140), (80, 106, 116, 150), (152, 178, 116, 150))
_FLOOR = 0.05  # grey levels²; the rounding of 8-bit pixels has 1/12


def face_frames(patches: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Aligned faces at half size, float32 [T, 80, 80] grey levels, of patches [T, 192, 192] and points [T, 68, 2]."""
    halves = patches.reshape(len(patches), 96, 2, 96, 2).mean(axis=(2, 4)).round().astype(np.uint8)
    turn, shift, _ = alignment(points)
    offsets = np.arange(0, _SIDE, _STEP) + (_STEP - 1) / 2
    wanted = (_LEFT + offsets[None, None, :]) + 1j * (_TOP + offsets[None, :, None])
    source = (wanted - shift[..., None]) / turn[..., None]
    return sample(halves, (source - 0.5 - 0.5j) / 2).astype(np.float32)


def mouth_detail(faces: NDArray[np.float32], weight: Floats) -> float:
    """Log sharpness of the mouth against eyes, nose and cheeks of the same frame.

    Lip-sync generators draw the mouth alone, at a low resolution.

    Args:
        faces: float32 [T, 80, 80] of `face_frames`.
        weight: float [T], the share of speech in each frame.
    """
    edges = np.stack([laplace(face) for face in faces])
    mouth = _log_power(edges, _MOUTH)
    return float(np.average(mouth - np.mean([_log_power(edges, r) for r in _OTHERS], axis=0), weights=weight))


def mouth_temporal_noise(faces: NDArray[np.float32], weight: Floats) -> float:
    """Log of how fast the mouth's fine detail changes, against how much detail there is; arguments as above.

    Between real frames skin, teeth and tongue change; generated texture is carried along.
    """
    fine = faces - gaussian_filter(faces, (0, 1, 1))
    change = np.average(_log_power(np.diff(fine, 2, axis=0), _MOUTH), weights=together(weight, 2))
    return float(change - np.average(_log_power(fine, _MOUTH), weights=weight))


def brow_motion(faces: NDArray[np.float32], weight: Floats) -> float:
    """Log of how much the brow changes from frame to frame, against its detail; arguments as above.

    People who talk move head and brows; generated faces move them less.
    """
    fine = faces - gaussian_filter(faces, (0, 1, 1))
    change = np.average(_log_power(np.diff(faces, axis=0), _BROW), weights=together(weight, 1))
    return float(change - np.average(_log_power(fine, _BROW), weights=weight))


def mouth_motion_variability(faces: NDArray[np.float32], weight: Floats) -> float:
    """Standard deviation of the log of the mouth's motion over time; arguments as above.

    Speech moves lips in bursts and holds them for closures; generators move them evenly.
    """
    motion = _log_power(np.diff(gaussian_filter(faces, (0, 1, 1)), axis=0), _MOUTH)
    weights = together(weight, 1)
    return float(np.sqrt(np.average((motion - np.average(motion, weights=weights)) ** 2, weights=weights)))


def together(weight: Floats, order: int) -> Floats:
    """Weights of differences of that order: each counts as its least spoken frame."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(weight, order + 1).min(axis=1) + 1e-6)


def _log_power(pictures: Floats, region: tuple[int, int, int, int]) -> Floats:
    """Log of the mean square over a region: [T]."""
    left, right, top, bottom = region
    rows = slice((top - _TOP) // _STEP, (bottom - _TOP) // _STEP)
    columns = slice((left - _LEFT) // _STEP, (right - _LEFT) // _STEP)
    return np.asarray(np.log(np.square(pictures[:, rows, columns]).mean(axis=(1, 2)) + _FLOOR))
