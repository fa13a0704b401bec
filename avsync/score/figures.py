"""Pictures and curves of one recording, for people to look at: plain data, made by `avsync.figures`.

Workers that decode strangers' files send them as JSON, so `Figures.from_dict` takes nothing that it has not checked: a
page may then hold them as they are.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, TypeVar

# A picture or a proxy as a `data:` address, which pages show without loading anything.
_DATA_ADDRESS = re.compile(r"data:(image/(jpeg|png)|(video|audio)/mp4);base64,[A-Za-z0-9+/]+={0,2}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Still:
    """A picture at a time (s). `picture` is a `data:` address, as everywhere here."""

    time: float
    picture: str


@dataclass(frozen=True, slots=True)
class Plane:
    """A picture over time, from `start` to `end` (s), and over a second axis, from `low` (below) to `high` (above)."""

    picture: str
    start: float
    end: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The scores of a check for each frame with speech, high is anomalous; `track` None: of the recording."""

    check: str
    track: int | None
    times: list[float]
    scores: list[float]


@dataclass(frozen=True, slots=True)
class FaceFigures:
    """What is shown of one face.

    Attributes:
        track: its number.
        times: when it was looked at (s), a few times per second.
        boxes: by time, its box: left, top, right, bottom, in pixels of the upright picture.
        mouth_boxes: by time, the square about its mouth.
        mouths: the mouth ROIs of these times in one picture, row by row, `mouth_columns` in a row.
        stills: the face patch, as the checks see it, at a few times.
        lattice: offset (ms, by how much the sound comes after the lips) against time; None where no check made one.
        lag_curve: its mean over speech, from the first offset to the last (nats).
    """

    track: int
    times: list[float]
    boxes: list[list[int]]
    mouth_boxes: list[list[int]]
    mouths: str
    mouth_columns: int
    stills: list[Still]
    lattice: Plane | None = None
    lag_curve: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of one recording.

    Attributes:
        width, height: of the upright picture that boxes are in, in pixels; 0 if it was not looked at.
        speech: where somebody speaks, [start, stop] each (s).
        faces: those that were judged.
        thumbnail: the picture in the middle of what was judged; None without pictures.
        spectrogram: of the sound; frequency (Hz) is the second axis.
        voice_map: how unlike recorded speech each place of it sounds, transparent where it does not.
        curves: the scores of checks that see more than windows.
        real_scores: by check, what real recordings score: the `anomaly_score` at evenly spaced shares from 0 to 1.
        media: a small copy of the recording that a page can play; None if it was not asked for, or cannot be made.
    """

    width: int = 0
    height: int = 0
    speech: list[list[float]] = field(default_factory=list)
    faces: list[FaceFigures] = field(default_factory=list)
    thumbnail: Still | None = None
    spectrogram: Plane | None = None
    voice_map: Plane | None = None
    curves: list[Curve] = field(default_factory=list)
    real_scores: dict[str, list[float]] = field(default_factory=dict)
    media: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Figures":
        """Read what `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(
                width=_whole([data["width"]], 1)[0],
                height=_whole([data["height"]], 1)[0],
                speech=[_numbers(span, 2) for span in data["speech"]],
                faces=[_face(face) for face in data["faces"]],
                thumbnail=_optional(_still, data["thumbnail"]),
                spectrogram=_optional(_plane, data["spectrogram"]),
                voice_map=_optional(_plane, data["voice_map"]),
                curves=[_curve(curve) for curve in data["curves"]],
                real_scores={str(name): _numbers(scores) for name, scores in data["real_scores"].items()},
                media=_optional(_address, data["media"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not figures of a recording") from error


def _face(data: dict[str, Any]) -> FaceFigures:
    times = _numbers(data["times"])
    boxes, mouth_boxes = ([_whole(box, 4) for box in data[name]] for name in ("boxes", "mouth_boxes"))
    if not len(times) == len(boxes) == len(mouth_boxes):
        raise ValueError("a face needs a box at each time")
    return FaceFigures(
        track=_whole([data["track"]], 1)[0],
        times=times,
        boxes=boxes,
        mouth_boxes=mouth_boxes,
        mouths=_address(data["mouths"]),
        mouth_columns=max(1, _whole([data["mouth_columns"]], 1)[0]),
        stills=[_still(still) for still in data["stills"]],
        lattice=_optional(_plane, data["lattice"]),
        lag_curve=_numbers(data["lag_curve"]),
    )


def _curve(data: dict[str, Any]) -> Curve:
    times = _numbers(data["times"])
    track = _optional(lambda track: _whole([track], 1)[0], data["track"])
    return Curve(str(data["check"]), track, times, _numbers(data["scores"], len(times)))


def _optional(read: Callable[[Any], T], data: Any) -> T | None:
    return None if data is None else read(data)


def _still(data: dict[str, Any]) -> Still:
    return Still(_numbers([data["time"]])[0], _address(data["picture"]))


def _plane(data: dict[str, Any]) -> Plane:
    return Plane(_address(data["picture"]), *_numbers([data[name] for name in ("start", "end", "low", "high")]))


def _address(data: Any) -> str:
    if not isinstance(data, str) or not _DATA_ADDRESS.fullmatch(data):
        raise ValueError("not a picture")
    return data


def _numbers(data: Any, count: int | None = None) -> list[float]:
    if not all(isinstance(value, int | float) and isfinite(value) for value in data):
        raise ValueError("not numbers")
    if count is not None and len(data) != count:
        raise ValueError(f"not {count} numbers")
    return [float(value) for value in data]


def _whole(data: Any, count: int) -> list[int]:
    return [round(value) for value in _numbers(data, count)]
