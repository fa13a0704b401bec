"""The row that every data set yields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# The names of FakeAVCeleb are used for every data set.
REAL_TYPE = "RealVideo-RealAudio"


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of a data set, whether or not its file is there.

    `name` is the path below the data set's folder, with `/`: it names the clip in results. `type` says which
    of picture and sound are real, `method` what made the fake ("real" for real clips). `identity` is what to
    cluster by in statistics, `speaker` what to split by in training. `audio` is the sound file beside the
    video, None when there is none.
    """

    path: Path
    name: str
    label: Literal["real", "fake"]
    type: str
    method: str
    identity: str
    speaker: str
    audio: Path | None = None
