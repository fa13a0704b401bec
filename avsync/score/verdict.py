"""What avsync says of one file: the typed result and its documented, versioned form for machines."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from avsync.errors import Reason

SCHEMA = "avsync.verdict/1"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a track beside real clips: `percentile` 0-100 among them, `p_value` two-sided, conformal.

    Both are None where the model has not been calibrated.
    """

    value: float
    percentile: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch [start, end) in seconds that is odd by itself, with the p-value of its window."""

    start: float
    end: float
    p_value: float


@dataclass(frozen=True, slots=True)
class TrackVerdict:
    """One face from `start` to `end` (s). `box` is the median (left, top, right, bottom) in upright pixels.

    `lag_ms` is by how much the sound comes after the lips; constant lags are common in real files: reported, not
    punished. `aspects` are the p-values of the two questions asked: "speech", whether the lips fit it, and "picture",
    whether the face moves and looks like a real one; each is the share of real windows of this length that are at least
    as odd. `p_value` is the share of which either aspect surprises as much. `oddness`, -log10 of a smooth p-value,
    ranks what is odder than any real window. `readings` are what the aspects are made of. Without calibration there
    are no aspects and no p-value, and `oddness` is the reading itself, its sign turned so that high is odd.
    """

    track: int
    start: float
    end: float
    box: tuple[int, int, int, int]
    speech_seconds: float
    lag_ms: float
    readings: dict[str, Reading]
    aspects: dict[str, float] = field(default_factory=dict)
    oddness: float = 0.0
    p_value: float | None = None
    segments: list[Segment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one file. `p_value` and `oddness` are of the track `rests_on`; None when it cannot be judged.

    "measured" is the verdict of a model that has not been calibrated: readings, and an `oddness` that ranks files, but
    no real clips to compare with.

    Of several speakers one after the other the oddest counts, its p-value multiplied by their number (Bonferroni).
    """

    path: str
    verdict: Literal["consistent", "suspicious", "measured", "cannot_judge"]
    reason: Reason | None = None
    detail: str = ""
    p_value: float | None = None
    oddness: float | None = None
    rests_on: int | None = None
    sha256: str = ""
    duration: float = 0.0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_rate: int = 0
    trimmed_head: float = 0.0
    trimmed_tail: float = 0.0
    resampled: bool = False
    tracks: list[TrackVerdict] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    level: float = 0.05
    model: str = ""
    weights_sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, `schema` first."""
        return {"schema": SCHEMA, **asdict(self)}
