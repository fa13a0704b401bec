"""Footage of faces that was decoded once and is kept in files, for trainings that draw from it again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avsync.files import write_whole
from avsync.media import FPS
from avsync.reconstruct.face.interface import FaceFootage


@dataclass(frozen=True)
class FootageConfig:
    """What is kept of each clip.

    Attributes:
        frames: consecutive pictures, at most.
        per_speaker: clips of a speaker, at most; 0: all.
    """

    frames: int = 50
    per_speaker: int = 0

    def __post_init__(self) -> None:
        if not 16 <= self.frames <= 750 or self.per_speaker < 0:
            raise ValueError("footage.frames must be 16 to 750, footage.per_speaker 0 or more")


@dataclass(frozen=True)
class StoredFootage:
    """Footage of one clip in a file.

    Attributes:
        path: the file.
        name: of the clip.
        key: hash of the clip's content.
        speaker: whose face it is.
        frames: pictures in the file.
    """

    path: Path
    name: str
    key: str
    speaker: str
    frames: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames / FPS

    def read(self, start: int = 0, stop: int | None = None) -> FaceFootage:
        """Read the pictures [start, stop) and nothing else."""
        with safe_open(self.path, framework="numpy") as file:
            pictures, points, squares = (file.get_slice(name)[start:stop] for name in ("pictures", "points", "squares"))
            first = float(file.get_tensor("start")[0])
        return FaceFootage(pictures, points, squares, first + start / FPS)


class Footages:
    """Footage of several people, who are drawn alike however much there is of each."""

    def __init__(self, footages: Sequence[StoredFootage]) -> None:
        self._by_speaker: dict[str, list[StoredFootage]] = {}
        for footage in footages:
            self._by_speaker.setdefault(footage.speaker, []).append(footage)
        self._speakers = sorted(self._by_speaker)

    def draw(self, rng: np.random.Generator) -> StoredFootage:
        """The footage of a clip of one of the speakers."""
        own = self._by_speaker[self._speakers[rng.integers(len(self._speakers))]]
        return own[rng.integers(len(own))]


def write_footage(path: Path, footage: FaceFootage) -> None:
    """Write footage to a file that appears whole."""
    arrays = {"pictures": footage.pictures, "points": footage.points, "squares": footage.squares}
    arrays["start"] = np.array([footage.start])
    write_whole(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def write_refusal(path: Path, reason: str) -> None:
    """Write in place of footage why a clip has none that can be used, so that it is not decoded again."""
    write_whole(path, save({"pictures": np.zeros((0, 1, 1, 3), np.uint8)}, {"refusal": reason}))


def look(path: Path) -> tuple[int, str] | None:
    """How many pictures a file holds, and why there are none; None if it is not there, or torn by a full disk."""
    try:
        with safe_open(path, framework="numpy") as file:
            return int(file.get_slice("pictures").get_shape()[0]), (file.metadata() or {}).get("refusal", "")
    except (OSError, SafetensorError):
        return None
