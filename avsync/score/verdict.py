"""The result for one file: typed, versioned, plain data for machines."""

from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from avsync.errors import Reason
from avsync.score.figures import Figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "avsync.verdict/2"
_NOT_IN_JSON = ("artefacts", "figures")
# Of the share of real recordings that may be called suspicious, what goes to single stretches. The rest goes to the
# recording as a whole: most fakes are whole, and of 31 people its smallest p-value, 1/32, stays well below 0.05.
STRETCH_SHARE = 0.2

Artefacts = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class ReadingValue:
    """One reading beside real recordings: `percentile` 0 to 100 among them, `p_value` two-sided, conformal.

    Both are None where the model is not calibrated, or was calibrated without this reading.
    """

    value: float
    percentile: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch [start, end) in seconds that is suspicious by itself, with the p-value of its window."""

    start: float
    end: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """A stretch [start, end) in seconds whose frames score higher than those around it; `track` None: of the recording.

    `score` ranks the proposals of a check over all recordings; it is no p-value.
    """

    start: float
    end: float
    score: float
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Standout:
    """The stretch [start, end) in seconds that stands out most, and to which check; `track` None: of the recording.

    `p_value` is the share of real recordings with as much speech in which some stretch stands out as much, for any of
    the checks that look for it. Beyond the real recordings of the calibration it is extrapolated.
    """

    check: str
    start: float
    end: float
    p_value: float
    track: int | None = None


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The score of one check on one window [start, end) in seconds of a face; `track` None: of the recording."""

    start: float
    end: float
    anomaly_score: float
    p_value: float | None = None
    track: int | None = None


@dataclass(frozen=True, slots=True)
class CheckScore:
    """One check on one face.

    `p_value` is the share of real windows of this length that score at least as high; None without calibration.
    `anomaly_score` is -log10 of a smooth p-value, which also ranks scores above every real one; without calibration it
    is the reading, its sign turned so that high is anomalous.
    """

    anomaly_score: float
    p_value: float | None = None
    readings: dict[str, ReadingValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peak:
    """Where a voice is most anomalous: a stretch [start, end) in seconds, and the middle of a band (Hz)."""

    start: float
    end: float
    frequency: float


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check on one file, or the reason why it has no score.

    A check of faces has the score of the decisive face, and the windows of all faces; the suspicious ones are
    `TrackVerdict.segments`. A check of the recording as a whole has its own `segments`, the windows that are suspicious
    by themselves, and perhaps the `peak` of its most anomalous window. `people` is of how many people there are real
    windows of this length; None without calibration.
    """

    anomaly_score: float | None = None
    p_value: float | None = None
    readings: dict[str, ReadingValue] = field(default_factory=dict)
    windows: list[WindowResult] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    peak: Peak | None = None
    people: int | None = None
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrackVerdict:
    """One face from `start` to `end` (s). `box` is the median (left, top, right, bottom) in upright pixels.

    `lag_ms` is by how much the sound comes after the lips; constant lags are common in real files: reported, not
    punished. None where no check measures it. `checks` has a score for each check of the face. `p_value` is the share
    of real windows of this length in which the checks together are at least as anomalous, `anomaly_score` ranks beyond
    them. `segments` are the windows of the face that are suspicious by themselves.
    """

    track: int
    start: float
    end: float
    box: tuple[int, int, int, int]
    speech_seconds: float
    lag_ms: float | None
    checks: dict[str, CheckScore]
    anomaly_score: float
    p_value: float | None = None
    segments: list[Segment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one file; `p_value` and `anomaly_score` are None if it was not judged.

    "measured" is the verdict of a model without calibration: readings, and an `anomaly_score` that ranks files, but no
    p-value.

    `whole_p_value` is of the recording as a whole: that of the track `decisive_track`. If several people speak one
    after the other, the most anomalous counts, its p-value multiplied by their number (Bonferroni). `p_value` also
    counts the stretch that stands out most, `standout`; `rests_on_standout` says whether that is the more unusual of
    the two (`avsync.score.standout`).

    `artefacts` has, by track, the arrays that `Detector.score(keep=...)` asked for; None: those of the recording as a
    whole, and `figures` what the report shows, if it was asked for. They are not part of the JSON form.
    """

    path: str
    verdict: Literal["consistent", "suspicious", "measured", "cannot_judge"]
    reason: Reason | None = None
    detail: str = ""
    p_value: float | None = None
    anomaly_score: float | None = None
    decisive_track: int | None = None
    whole_p_value: float | None = None
    standout: Standout | None = None
    rests_on_standout: bool = False
    sha256: str = ""
    duration: float = 0.0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_rate: int = 0
    leading_silence: float | None = None
    trimmed_head: float = 0.0
    trimmed_tail: float = 0.0
    resampled: bool = False
    picture_rate: float | None = None
    repeated_share: float | None = None
    frozen_seconds: float | None = None
    video_gap_seconds: float | None = None
    audio_gap_seconds: float | None = None
    decode_errors: int | None = None
    missing_fragments: int = 0
    length_difference: float | None = None
    checks: dict[str, CheckResult] = field(default_factory=dict)
    tracks: list[TrackVerdict] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    level: float = 0.05
    model: str = ""
    weights_sha256: str = ""
    artefacts: dict[int | None, Artefacts] = field(default_factory=dict, compare=False, repr=False)
    figures: Figures | None = field(default=None, compare=False, repr=False)

    @property
    def decisive(self) -> TrackVerdict | None:
        """The face that the verdict rests on."""
        return next((track for track in self.tracks if track.track == self.decisive_track), None)

    def plot(self) -> "Figure":
        """Draw the timeline, the scores of the checks, and kept lattices and the map of the voice, with matplotlib.

        Raises:
            ImportError: matplotlib is not installed (`pip install 'avsync[plot]'`).
        """
        drawn: Figure = _of_report("plot", "plot")(self)
        return drawn

    def _repr_html_(self) -> str:
        """The verdict as Jupyter shows it."""
        return str(_of_report("notebook", "to_fragment")(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, `schema` first."""
        bare = replace(self, artefacts={}, figures=None)
        plain = {name: value for name, value in asdict(bare).items() if name not in _NOT_IN_JSON}
        return {"schema": SCHEMA, **plain}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Verdict":
        """Read what `to_dict` gave.

        Raises:
            ValueError: it is of another schema.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"not a verdict of schema {SCHEMA}")
        plain = {name: value for name, value in data.items() if name != "schema"}
        try:
            plain["reason"] = _reason(plain["reason"])
            plain["checks"] = {name: _check_result(check) for name, check in plain["checks"].items()}
            plain["tracks"] = [_track(track) for track in plain["tracks"]]
            if plain.get("standout") is not None:
                plain["standout"] = Standout(**plain["standout"])
            return cls(**plain)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a verdict of schema {SCHEMA}") from error


def _of_report(module: str, name: str) -> Any:
    """A function of `avsync.report`. That lies above this module: it is imported by name, when somebody asks for it."""
    return getattr(import_module(f"avsync.report.{module}"), name)


def _reason(text: str | None) -> Reason | None:
    return None if text is None else Reason(text)


def _check_result(data: dict[str, Any]) -> CheckResult:
    read = {
        "windows": [WindowResult(**window) for window in data["windows"]],
        "segments": [Segment(**segment) for segment in data["segments"]],
        "proposals": [Proposal(**proposal) for proposal in data.get("proposals", [])],
        "peak": None if data["peak"] is None else Peak(**data["peak"]),
        "reason": _reason(data["reason"]),
        "readings": _readings(data["readings"]),
    }
    return CheckResult(**{**data, **read})


def _track(data: dict[str, Any]) -> TrackVerdict:
    checks = {name: _check_score(score) for name, score in data["checks"].items()}
    segments = [Segment(**segment) for segment in data["segments"]]
    return TrackVerdict(**{**data, "box": tuple(data["box"]), "checks": checks, "segments": segments})


def _check_score(data: dict[str, Any]) -> CheckScore:
    return CheckScore(**{**data, "readings": _readings(data["readings"])})


def _readings(data: dict[str, Any]) -> dict[str, ReadingValue]:
    return {name: ReadingValue(**value) for name, value in data.items()}
