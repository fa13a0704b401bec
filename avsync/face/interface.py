"""What a face detector does, and which ones there are.

To add one: a file with a class that has the members of `FaceDetector`, and a line in `FACE_DETECTORS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.face.boxes import Box


class FaceDetector(Protocol):
    """Finds faces on one grey picture, uint8 [H, W], and their landmarks."""

    @property
    def key(self) -> str:
        """Names detector, landmarks and version, as "dlib-68/2"; part of the keys of caches and calibrations.

        Change it whenever the same picture gives other boxes or landmarks than before.
        """

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the faces, in pixels of the picture. Called every few frames: fast."""

    def find_harder(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the faces, also of those that `find` misses. Called rarely: may be slow."""

    def confirm(self, image: NDArray[np.uint8], box: Box) -> bool:
        """Whether a closer look at `box` finds a face that overlaps with it by more than `SAME_FACE`."""

    def landmarks(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The 68 points of `avsync.face.landmarks` in each patch, float32 [N, 68, 2], x and y in pixels of the patch.

        Args:
            patches: uint8 [N, 192, 192]; a face box of this detector, once centred, is 1 / CONTEXT of a patch's side.
        """

    def box_of(self, landmarks: NDArray[np.float32]) -> Box:
        """The box that this detector draws around a face with these landmarks, float32 [68, 2]."""


@dataclass(frozen=True)
class Imported:
    """Makes the detector of class `name`; imports its module only then."""

    module: str
    name: str

    @property
    def type(self) -> "type[FaceDetector]":
        """The class; needs neither the libraries nor the weights of the detector."""
        found: type[FaceDetector] = getattr(import_module(self.module), self.name)
        return found

    def __call__(self) -> FaceDetector:
        """A detector. Raises UsageError if it lacks a package or weights."""
        return self.type()


FACE_DETECTORS: dict[str, Callable[[], FaceDetector]] = {
    "dlib": Imported("avsync.face.dlib", "DlibFaceDetector"),
    "fan": Imported("avsync.face.fan", "FanFaceDetector"),
    "mesh": Imported("avsync.face.mesh", "MeshFaceDetector"),
}


def load_face_detector(name: str = "dlib") -> FaceDetector:
    """The face detector of that name.

    Raises:
        UsageError: there is no detector of that name, or it lacks a package or weights.
    """
    if name not in FACE_DETECTORS:
        raise UsageError(f"no face detector is called {name!r}; choose one of: {', '.join(sorted(FACE_DETECTORS))}")
    return FACE_DETECTORS[name]()
