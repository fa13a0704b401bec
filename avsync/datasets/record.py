"""The row that every data set yields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# `ClipRecord.type` of clips whose picture and sound are both real.
REAL_TYPE = "RealVideo-RealAudio"
# Of fake videos where the data set does not say whether the picture, the sound or both are fake.
FAKE_TYPE = "FakeVideo"
# `ClipRecord.type` of sound without a picture.
REAL_SPEECH, FAKE_SPEECH = "RealAudio", "FakeAudio"

# Stretches [start, end) in seconds from the start of the clip, sorted, without overlap.
Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of a data set. Its file may be missing.

    Attributes:
        path: the video file, or the sound file of a clip without a picture.
        name: the path below the data set's folder, with `/`. It names the clip in results.
        label: `real` if picture and sound are both real (or the sound, where it is alone), else `fake`.
        type: which of picture and sound are fake, in the words of FakeAVCeleb for every data set:
            `RealVideo-RealAudio`, `RealVideo-FakeAudio`, `FakeVideo-RealAudio` or `FakeVideo-FakeAudio`; `FakeVideo` if
            the data set does not say which; of sound without a picture `RealAudio` or `FakeAudio`.
        method: what generated the fake, "unknown" if the data set does not say, "real" for real clips.
        identity: the person that statistics cluster by. It decides the role (see `avsync.datasets.roles`).
        speaker: the person that training splits by.
        audio: the sound file beside the video; None if the sound, if any, is in the video file.
        fake_spans: the fake stretches of picture or sound, in seconds from the start of the clip, sorted, without
            overlap. Empty for real clips, for clips that are fake from start to end, and where the data set does not
            say which part is fake.
        visual_fake_spans, audio_fake_spans: those of the picture alone and of the sound alone. An empty one says that
            nothing of this side is fake; None that the data set does not tell the two apart.
        split: the part of the data set that its authors assign the clip to, in their own word (such as "train", "val",
            "dev" or "test"); empty if they define none.
        kind: what sort of synthesis the method is, such as "tts", "vc", "vocoder" or "codec"; empty if it is not known.
        page: the collection that the clip is from, such as a page of demonstrations: its real clips went through the
            same hands as its fakes. Empty if the data set is one collection.
        pair: names the clips in which the same voice says the same, a real one and its copies; empty if unknown.
    """

    path: Path
    name: str
    label: Literal["real", "fake"]
    type: str
    method: str
    identity: str
    speaker: str
    audio: Path | None = None
    fake_spans: Spans = ()
    visual_fake_spans: Spans | None = None
    audio_fake_spans: Spans | None = None
    split: str = ""
    kind: str = ""
    page: str = ""
    pair: str = ""

    @property
    def has_picture(self) -> bool:
        """Whether the clip is a video: its type names a picture."""
        return "Video" in self.type
