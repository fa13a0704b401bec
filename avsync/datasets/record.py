"""The row that every data set yields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# `ClipRecord.type` of clips whose picture and sound are both real.
REAL_TYPE = "RealVideo-RealAudio"


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of a data set. Its file may be missing.

    Attributes:
        path: the video file.
        name: the path below the data set's folder, with `/`. It names the clip in results.
        label: `real` if picture and sound are both real, else `fake`.
        type: which of picture and sound are fake, in the words of FakeAVCeleb for every data set:
            `RealVideo-RealAudio`, `RealVideo-FakeAudio`, `FakeVideo-RealAudio` or `FakeVideo-FakeAudio`.
        method: what generated the fake, "unknown" if the data set does not say, "real" for real clips.
        identity: the person that statistics cluster by. It decides the role (see `avsync.datasets.roles`).
        speaker: the person that training splits by.
        audio: the sound file beside the video; None if the sound, if any, is in the video file.
        fake_spans: the fake stretches [start, end) of picture or sound, in seconds from the start of the clip,
            sorted, without overlap. Empty for real clips, for clips that are fake from start to end, and where the
            data set does not say which part is fake.
        split: the part of the data set that its authors assign the clip to, in their own word (such as "train", "val",
            "dev" or "test"); empty if they define none.
    """

    path: Path
    name: str
    label: Literal["real", "fake"]
    type: str
    method: str
    identity: str
    speaker: str
    audio: Path | None = None
    fake_spans: tuple[tuple[float, float], ...] = ()
    split: str = ""
