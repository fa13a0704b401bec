"""Cut faces and mouths out of pictures, upright and at one size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avsync.face.boxes import Box
from avsync.face.landmarks import LIPS, MOUTH_ALIGNMENT_POINTS

PATCH_SIDE = 192  # a face patch: the face with a margin, at about the resolution of the aligned frame below
CONTEXT = 1.6  # side of the square that a patch shows, in sides of the face box
MOUTH_SIDE = 96  # the mouth ROI of AV-HuBERT (Shi et al., ICLR 2022, section 4)
LIP_SIDE = 88  # what networks that read lips see of it
LIP_ROWS = slice((MOUTH_SIDE - LIP_SIDE) // 2, (MOUTH_SIDE + LIP_SIDE) // 2)  # rows or columns
# The aligned frame: a picture of 256×256 in which MOUTH_ALIGNMENT_POINTS lie where a mean face has them.
ALIGNED_AT = np.array([[128.9, 137.3], [92.5, 94.4], [112.8, 94.9], [145.5, 94.5], [166.7, 93.6]])
_SMOOTH = 12  # frames that the alignment averages over, against landmark jitter
_PIECE = 250  # frames sampled at a time: positions take 150 kB each


def square_around(box: Box) -> NDArray[np.int64]:
    """Left, top and side, whole pixels [3], of the square that a patch of the face in `box` shows."""
    side = max(8, round(CONTEXT * (box[2] - box[0])))
    return np.array([round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2), side])


def face_boxes(squares: NDArray[np.int64]) -> NDArray[np.float64]:
    """The boxes, float [T, 4], in the middle of squares [T, 3]."""
    margin = squares[:, 2:] * (1 - 1 / CONTEXT) / 2
    return np.concatenate([squares[:, :2] + margin, squares[:, :2] + squares[:, 2:] - margin], axis=1)


def cut_patch(image: NDArray[np.uint8], square: NDArray[np.int64], pixels: int = PATCH_SIDE) -> NDArray[np.uint8]:
    """The picture in a square, uint8 [pixels, pixels] or [pixels, pixels, 3], edge pixels repeated outside it.

    Args:
        image: uint8 [H, W] grey picture, or [H, W, 3].
        square: left, top and side, int [3].
        pixels: side of the result.
    """
    left, top, side = square
    cut = image[max(top, 0) : top + side, max(left, 0) : left + side]
    if cut.shape[:2] != (side, side):  # repeating edges means gathering every pixel: only where it must be
        rows = np.arange(top, top + side).clip(0, image.shape[0] - 1)
        columns = np.arange(left, left + side).clip(0, image.shape[1] - 1)
        cut = image[rows[:, None], columns]
    return np.asarray(Image.fromarray(cut).resize((pixels, pixels), Image.Resampling.BILINEAR))


def at_most(image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """The picture with its longer side at most `side` pixels, its rows one after another, and how far it was shrunk."""
    scale = max(image.shape) / side
    if scale <= 1:
        return np.ascontiguousarray(image), 1.0  # dlib misreads arrays whose rows do not follow each other
    size = (max(1, round(image.shape[1] / scale)), max(1, round(image.shape[0] / scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)), scale


def to_picture(points: NDArray[np.float32], squares: NDArray[np.int64]) -> NDArray[np.float32]:
    """Points in patch pixels, float32 [..., n, 2], in pixels of the picture; `squares` int [..., 3]."""
    scale = squares[..., None, 2:] / PATCH_SIDE
    return np.asarray((points + 0.5) * scale - 0.5 + squares[..., None, :2], np.float32)


@dataclass(frozen=True)
class Alignment:
    """From patch pixels to the aligned frame: p → turn · p + shift, for points x + iy of each of T frames.

    It averages over neighbouring frames. Compute it once for a face clip and slice it: the alignment of a slice of the
    clip's points differs at its ends.

    Attributes:
        turn: complex128 [T, 1], rotation and scale.
        shift: complex128 [T, 1].
        mouth: complex128 [T, 1], the mean of the lip points in patch pixels.
    """

    turn: NDArray[np.complex128]
    shift: NDArray[np.complex128]
    mouth: NDArray[np.complex128]

    def __len__(self) -> int:
        return len(self.turn)

    def __getitem__(self, span: slice) -> "Alignment":
        """The frames of `span`."""
        return Alignment(self.turn[span], self.shift[span], self.mouth[span])


def align_faces(points: NDArray[np.float32]) -> Alignment:
    """The alignment of consecutive frames of one face: five stable points, averaged over 12 frames, meet a mean face's.

    Args:
        points: float32 [T, 68, 2], landmarks in patch pixels.
    """
    from scipy.ndimage import uniform_filter1d  # takes as long to import as everything else that follows faces

    smooth = uniform_filter1d(points.astype(np.float64), min(_SMOOTH, len(points)), axis=0, mode="nearest")
    turn, shift = similarity(smooth[:, MOUTH_ALIGNMENT_POINTS], ALIGNED_AT)
    return Alignment(turn, shift, as_complex(smooth[:, LIPS]).mean(axis=1, keepdims=True))


def mouth_crops(patches: NDArray[np.uint8], alignment: Alignment) -> NDArray[np.uint8]:
    """Mouth ROIs: of each aligned picture of 256×256, the 96×96 square about the middle of the mouth.

    Args:
        patches: uint8 [T, 192, 192] face patches.
        alignment: of the same T frames.

    Returns:
        uint8 [T, 96, 96].
    """
    offsets = np.arange(MOUTH_SIDE) - (MOUTH_SIDE - 1) / 2
    square = offsets + 1j * offsets[:, None]
    crops = np.empty((len(patches), MOUTH_SIDE, MOUTH_SIDE), np.uint8)
    for start in range(0, len(patches), _PIECE):
        piece = slice(start, start + _PIECE)
        where = alignment[piece]
        crops[piece] = sample(patches[piece], where.mouth[..., None] + square / where.turn[..., None])
    return crops


def similarity(
    points: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Least-squares similarities without reflection: complex a, b [T, 1] with a·p + b ≈ q for points as x + iy.

    Args:
        points: [T, n, 2].
        target: [n, 2] or [T, n, 2].
    """
    p, q = as_complex(points), np.broadcast_to(as_complex(target), points.shape[:2])
    p_mean, q_mean = p.mean(axis=1, keepdims=True), q.mean(axis=1, keepdims=True)
    covariance = (np.conj(p - p_mean) * (q - q_mean)).sum(axis=1, keepdims=True)
    turn = covariance / np.maximum((np.abs(p - p_mean) ** 2).sum(axis=1, keepdims=True), 1e-9)
    return turn, q_mean - turn * p_mean


def as_complex(points: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Points [..., 2] as x + iy [...]."""
    return np.asarray(points[..., 0] + 1j * points[..., 1], np.complex128)


def sample(patches: NDArray[np.uint8], source: NDArray[np.complex128]) -> NDArray[np.uint8]:
    """Bilinear samples of uint8 [T, S, S] at complex pixel positions [T, h, w], edges repeated."""
    import torch

    scaled = (source + 0.5 + 0.5j) * 2 / patches.shape[-1] - (1 + 1j)
    grid = torch.from_numpy(np.stack([scaled.real, scaled.imag], axis=-1).astype(np.float32))
    pictures = torch.from_numpy(patches)[:, None].float()
    sampled = torch.nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return np.asarray(sampled[:, 0].round().byte().numpy())
