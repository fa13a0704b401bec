"""Readings of a face: how its lips move, and how its pixels hold together in space and time.

All are read at one face size, so that a video of 250 pixels and one of 4K show the same detail.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace

from avsync.face import Alignment, sample
from avsync.face.crop import as_complex, similarity
from avsync.face.landmarks import HEAD_FRAME_POINTS, LIPS, OUTER_EYE_CORNERS

Floats = NDArray[np.floating]
Region = tuple[int, int, int, int]

# The part of the aligned 256×256 frame that is read, every second pixel.
_LEFT, _TOP, _SIDE, _STEP = 49, 56, 160, 2
# Regions in that frame: left, right, top, bottom.
_MOUTH, _BROW = (104, 154, 142, 176), (86, 172, 62, 82)
_OTHERS = ((86, 118, 82, 106), (140, 172, 82, 106), (112, 146, 106, 140), (80, 106, 116, 150), (152, 178, 116, 150))
_FLOOR = 0.05  # grey levels²; the rounding of 8-bit pixels has 1/12
# Eye distances per frame²; a hundredth of what whole-pixel landmarks show, and above zero for a still picture.
_LEAST_ACCELERATION = 1e-4

_ROUNDED_QUARTER = (np.arange(4 * 255 + 1) / 4).round().astype(np.uint8)  # of a sum of four pixels


@dataclass(frozen=True)
class FaceWindow:
    """T frames of one face, T at least 3.

    Attributes:
        faces: float32 [T, 80, 80] of `face_frames`.
        landmarks: float32 [T, 68, 2] in pixels of the upright picture.
        speech_share: float32 [T].
    """

    faces: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    speech_share: NDArray[np.float32]

    @cached_property
    def smooth(self) -> NDArray[np.float32]:
        """The faces blurred by one pixel, each frame by itself: float32 [T, 80, 80]."""
        return np.asarray(gaussian_filter(self.faces, (0, 1, 1)), np.float32)

    @cached_property
    def fine(self) -> NDArray[np.float32]:
        """The fine detail, faces minus their blur: float32 [T, 80, 80]."""
        return self.faces - self.smooth

    @cached_property
    def fine_changes(self) -> NDArray[np.float32]:
        """Second differences of the fine detail over time: float32 [T - 2, 80, 80]."""
        return np.diff(self.fine, 2, axis=0)


def face_frames(patches: NDArray[np.uint8], alignment: Alignment) -> NDArray[np.float32]:
    """Aligned faces at half size, float32 [T, 80, 80] grey levels, of patches uint8 [T, 192, 192]."""
    fours = sum(patches[:, row::2, column::2].astype(np.uint16) for row in (0, 1) for column in (0, 1))
    halves = _ROUNDED_QUARTER[fours]
    offsets = np.arange(0, _SIDE, _STEP) + (_STEP - 1) / 2
    wanted = (_LEFT + offsets[None, None, :]) + 1j * (_TOP + offsets[None, :, None])
    source = (wanted - alignment.shift[..., None]) / alignment.turn[..., None]
    return sample(halves, (source - 0.5 - 0.5j) / 2).astype(np.float32)


def lip_acceleration(window: FaceWindow) -> float:
    """Log of the mean acceleration of the lip points against the head, in eye distances per frame².

    Real lips start and stop abruptly and skin never rests; generators are trained to the mean of possible motions, and
    are smooth.
    """
    points = window.landmarks.astype(np.float64)
    turn, shift = similarity(points[:, HEAD_FRAME_POINTS], points[:, HEAD_FRAME_POINTS].mean(axis=0))
    face = turn * as_complex(points) + shift
    width = np.abs(face[:, OUTER_EYE_CORNERS[0]] - face[:, OUTER_EYE_CORNERS[1]]).mean()
    acceleration = np.abs(np.diff(face[:, LIPS], 2, axis=0)).mean(axis=1)
    mean = np.average(acceleration, weights=_difference_weights(window.speech_share, 2))
    return float(np.log(max(_LEAST_ACCELERATION, mean / width)))


def mouth_detail(window: FaceWindow) -> float:
    """Log sharpness of the mouth against eyes, nose and cheeks of the same frame.

    Lip-sync generators draw the mouth alone, at a low resolution.
    """
    edges = np.stack([laplace(face) for face in window.faces])
    mouth = _log_power(edges, _MOUTH)
    others = np.mean([_log_power(edges, region) for region in _OTHERS], axis=0)
    return float(np.average(mouth - others, weights=window.speech_share))


def mouth_temporal_noise(window: FaceWindow) -> float:
    """Log of how fast the mouth's fine detail changes, against how much detail there is.

    Between real frames skin, teeth and tongue change; generated texture is carried along.
    """
    return _temporal_noise(window, _MOUTH)


def mouth_noise_against_face(window: FaceWindow) -> float:
    """`mouth_temporal_noise` minus the mean of the same over eyes, nose and cheeks.

    Cameras and codecs treat the whole face alike; lip-sync generators draw the mouth alone.
    """
    others = [_temporal_noise(window, region) for region in _OTHERS]
    return _temporal_noise(window, _MOUTH) - float(np.mean(others))


def brow_motion(window: FaceWindow) -> float:
    """Log of how much the brow changes from frame to frame, against its detail.

    People who talk move head and brows; generated faces move them less.
    """
    changes = _log_power(np.diff(window.faces, axis=0), _BROW)
    change = np.average(changes, weights=_difference_weights(window.speech_share, 1))
    return float(change - np.average(_log_power(window.fine, _BROW), weights=window.speech_share))


def mouth_motion_variability(window: FaceWindow) -> float:
    """Standard deviation over time of the log of the mouth's motion.

    Speech moves lips in bursts and holds them for closures; generators move them evenly.
    """
    motion = _log_power(np.diff(window.smooth, axis=0), _MOUTH)
    weights = _difference_weights(window.speech_share, 1)
    return float(np.sqrt(np.average((motion - np.average(motion, weights=weights)) ** 2, weights=weights)))


def _temporal_noise(window: FaceWindow, region: Region) -> float:
    """Log of how fast a region's fine detail changes, against how much detail there is."""
    weights = _difference_weights(window.speech_share, 2)
    change = np.average(_log_power(window.fine_changes, region), weights=weights)
    return float(change - np.average(_log_power(window.fine, region), weights=window.speech_share))


def _difference_weights(speech_share: Floats, order: int) -> Floats:
    """Weights for n-th order frame differences: the lowest speech share among the frames that each one spans."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(speech_share, order + 1).min(axis=1) + 1e-6)


def _log_power(pictures: Floats, region: Region) -> Floats:
    """Log of the mean square over a region: [T]."""
    left, right, top, bottom = region
    rows = slice((top - _TOP) // _STEP, (bottom - _TOP) // _STEP)
    columns = slice((left - _LEFT) // _STEP, (right - _LEFT) // _STEP)
    return np.asarray(np.log(np.square(pictures[:, rows, columns]).mean(axis=(1, 2)) + _FLOOR))
