"""Faces by S3FD (Zhang et al., ICCV 2017), landmarks by FAN (Bulat & Tzimiropoulos, ICCV 2017), of `face_alignment`.

Large networks, made for a GPU. Their classes come from the package (1.5 or later), their weights from two files that
`avsync weights pull` fetches, or that the package itself has fetched once. Nothing is fetched here.

The package's own class `FaceAlignment` is not used, for three reasons: it fetches weights without asking, it compiles
the networks unless told not to, and it rounds landmarks to whole pixels. Both files are pickles: they are read only if
they are the published ones, by their hash, and then as tensors only (`weights_only`).
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.face.boxes import Box, best_match, close_up
from avsync.face.crop import CONTEXT, PATCH_SIDE, at_most
from avsync.weights.web import published_file

if TYPE_CHECKING:
    from torch import Tensor

# What FAN sees of a box, of the detector or about the points: a square of this many half perimeters, whose centre lies
# this share of the height above that of the box (face_alignment/api.py; utils.lua of the authors' 2D-and-3D-face-
# alignment). A patch shows exactly this square.
_SEEN, _RISE = 200 / 195, 0.12
_INPUT = 256  # side of what FAN reads
_HOURGLASSES = 4
# Longer side of the picture in which S3FD looks; it finds faces of about 16 px and more.
_SIDE, _HARDER_SIDE, _CLOSE_SIDE = 320, 800, 240
_LEAST = 32  # S3FD halves the picture five times
_BATCH = 8  # patches read at a time: a few hundred MB of memory


class FanFaceDetector:
    """S3FD and the 68 points of FAN, of the package face_alignment; for a GPU."""

    key = "fan-68/1"

    def __init__(self) -> None:
        try:
            import face_alignment  # noqa: F401
        except ImportError as error:  # it, or a library of one of its own libraries
            raise UsageError(f"--faces fan needs face_alignment ({error}): pip install 'avsync[fan]'") from error
        own = (_downloads_of_torch(),)
        self._points, self._boxes = published_file("2DFAN4", own), published_file("s3fd", own)
        self._device = _device()

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the faces of a grey picture, uint8 [H, W]."""
        return self._found(image, _SIDE)

    def find_harder(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of faces, also of those that are too small for `find`."""
        return self._found(image, _HARDER_SIDE)

    def confirm(self, image: NDArray[np.uint8], box: Box) -> bool:
        """Whether a face that overlaps with `box` is found in the picture of twice its side around it."""
        look, there = close_up(image, box)
        return best_match(there, self._found(look, _CLOSE_SIDE)) is not None

    def landmarks(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The 68 points, float32 [N, 68, 2] (x, y) in patch pixels, of the faces in patches, uint8 [N, 192, 192]."""
        import torch

        network, points = _fan(self._points, self._device), np.empty((len(patches), 68, 2), np.float32)
        for start in range(0, len(patches), _BATCH):
            some = torch.tensor(patches[start : start + _BATCH], device=self._device)[:, None].float() / 255
            seen = torch.nn.functional.interpolate(some, (_INPUT, _INPUT), mode="bilinear", align_corners=False)
            with torch.inference_mode():
                maps = network(seen.expand(-1, 3, -1, -1))[-1]
            cells = (peaks(maps) + 0.5) * (PATCH_SIDE / maps.shape[-1]) - 0.5
            points[start : start + _BATCH] = cells.cpu().numpy()
        return points

    def box_of(self, landmarks: NDArray[np.float32]) -> Box:
        """The box whose patch shows what FAN is trained to see of a face with these 68 points, float32 [68, 2]."""
        (left, top), (right, bottom) = landmarks.min(axis=0).tolist(), landmarks.max(axis=0).tolist()
        return _around(left, top, right, bottom)

    def _found(self, image: NDArray[np.uint8], side: int) -> list[Box]:
        small, scale = at_most(image, side)
        if min(small.shape) < _LEAST:
            return []
        found = _s3fd(self._boxes, self._device).detect_from_image(np.repeat(small[..., None], 3, axis=2))
        return [_around(*(scale * float(edge) for edge in box[:4])) for box in found]


def peaks(maps: "Tensor") -> "Tensor":
    """Where heat maps [N, 68, S, S] are highest: x and y of cells, float [N, 68, 2], with fractions.

    The fraction is that of a Gaussian through the highest cell and its neighbours, which is what FAN is trained to draw
    (as in Zhang et al., CVPR 2020, one axis at a time); face_alignment moves by a quarter of a cell.
    """
    import torch

    side = maps.shape[-1]
    best = maps.flatten(2).argmax(dim=2)
    x, y = best % side, best.div(side, rounding_mode="floor")
    heights = maps.clamp(min=1e-6).log()

    def at(row: "Tensor", column: "Tensor") -> "Tensor":
        cell = row.clamp(0, side - 1) * side + column.clamp(0, side - 1)
        return heights.flatten(2).gather(2, cell[..., None])[..., 0]

    def fraction(before: "Tensor", after: "Tensor") -> "Tensor":
        bend = (2 * at(y, x) - before - after).clamp(min=1e-6)
        return ((after - before) / (2 * bend)).clamp(-0.5, 0.5)

    return torch.stack([x + fraction(at(y, x - 1), at(y, x + 1)), y + fraction(at(y - 1, x), at(y + 1, x))], dim=-1)


def _around(left: float, top: float, right: float, bottom: float) -> Box:
    """The box, square, whose patch shows the square that FAN sees of this one."""
    half = _SEEN * (right - left + bottom - top) / CONTEXT / 2
    x, y = (left + right) / 2, (top + bottom) / 2 - _RISE * (bottom - top)
    return (x - half, y - half, x + half, y + half)


# Loaded once for all detectors of a process.
@cache
def _fan(file: Path, device: str) -> Any:
    import torch
    from face_alignment.models import FAN

    network = FAN(_HOURGLASSES)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.to(device).eval()


@cache
def _s3fd(file: Path, device: str) -> Any:
    from face_alignment.detection.sfd import FaceDetector

    return FaceDetector(device=device, path_to_detector=str(file))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _downloads_of_torch() -> Path:
    """The folder in which face_alignment keeps its downloads."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"
