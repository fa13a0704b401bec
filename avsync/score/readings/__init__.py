"""The readings: numbers taken from a window, in one registry. Importing it imports nothing heavy.

To add a reading, write a function and add its line here; `docs/adding.md` shows how.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

Source = Literal["lattice", "face", "view", "voice", "appearance"]


@dataclass(frozen=True)
class Reading:
    """One number taken from a window.

    Attributes:
        name: as results and calibrations call it.
        of: what it is taken from: "lattice" (`lattice.LatticeWindow`), "face" (`face.FaceWindow`), "voice"
            (`voice.VoiceWindow`), "appearance" (`appearance.AppearanceWindow`) or "view" (a window of a clip).
        function: "module:function"; a module that begins with a dot is one of this package.
        odd: the side on which it is anomalous; None: it is reported and does not count.
        source: the paper, or the reason.
        meaning: what it measures in plain words, one line that goes on after its name and a colon.
        grows: whether it grows with the length of the window, so that lengths cannot be compared.
    """

    name: str
    of: Source
    function: str
    odd: Literal["low", "high"] | None
    source: str
    meaning: str
    grows: bool = False

    def read(self, window: Any) -> float:
        """Take the reading of a window."""
        return float(self._function()(window))

    def _function(self) -> Callable[[Any], float]:
        module, _, name = self.function.partition(":")
        found: Callable[[Any], float] = getattr(import_module(module, __name__), name)
        return found


READINGS: dict[str, Reading] = {
    reading.name: reading
    for reading in (
        Reading(
            "agreement",
            "lattice",
            ".lattice:agreement",
            "low",
            "mean at the best offset; arXiv 1807.03748",
            "how well the lips fit the speech, once a constant lag is taken out",
        ),
        Reading(
            "worst_moment",
            "lattice",
            ".lattice:worst_moment",
            None,
            "the worst 0.6 s against the whole window",
            "how far the worst 0.6 s fit below the rest",
        ),
        Reading(
            "speechforensics",
            "lattice",
            ".lattice:speechforensics",
            "low",
            "SpeechForensics, NeurIPS 2024",
            "how well the lips fit the speech, at the best of 31 shifts in time",
        ),
        Reading(
            "factor",
            "lattice",
            ".lattice:factor",
            "low",
            "FACTOR, arXiv 2311.01458",
            "how well the lips fit the speech in the worst moments, without any shift in time",
        ),
        Reading(
            "log_mean_exp",
            "lattice",
            ".lattice:log_mean_exp",
            "high",
            "AVH-Align with a mean for the sum",
            "how badly the lips fit the speech, once a constant lag is taken out; bad moments weigh more",
        ),
        Reading(
            "log_sum_exp",
            "lattice",
            ".lattice:log_sum_exp",
            "high",
            "AVH-Align, CVPR 2025",
            "how badly the lips fit the speech, without any shift in time; bad moments weigh more, long windows too",
            grows=True,
        ),
        Reading(
            "head_turn",
            "view",
            ".view:head_turn",
            None,
            "turned lips are half hidden",
            "how far the head is turned: 0 from the front, about 0.5 where half of the mouth is hidden",
        ),
        Reading(
            "sound_range",
            "view",
            ".view:sound_range",
            None,
            "noise and music hide what the lips say",
            "how far the speech stands out of noise and music, in decibels",
        ),
        Reading(
            "lip_acceleration",
            "face",
            ".face:lip_acceleration",
            "low",
            "generated lips start and stop smoothly",
            "how abruptly the lips start and stop",
        ),
        Reading(
            "mouth_motion_variability",
            "face",
            ".face:mouth_motion_variability",
            "low",
            "generated lips move evenly",
            "how unevenly the mouth moves: fast in bursts, then hardly",
        ),
        Reading(
            "mouth_temporal_noise",
            "face",
            ".face:mouth_temporal_noise",
            "low",
            "generated texture moves along",
            "how fast the fine detail of the mouth changes from picture to picture",
        ),
        Reading(
            "mouth_noise_against_face",
            "face",
            ".face:mouth_noise_against_face",
            "low",
            "codecs treat mouth and face alike",
            "how fast the fine detail of the mouth changes, compared with the rest of the face",
        ),
        Reading(
            "mouth_detail",
            "face",
            ".face:mouth_detail",
            "low",
            "lip-sync draws the mouth at a low resolution",
            "how sharp the mouth is, compared with the rest of the face",
        ),
        Reading(
            "brow_motion",
            "face",
            ".face:brow_motion",
            "low",
            "generated faces move head and brows less",
            "how much the brows move",
        ),
        Reading(
            "voice_anomaly",
            "voice",
            ".voice:voice_anomaly",
            "high",
            "arXiv 2503.18032, arXiv 2501.10111",
            "how unlike recorded speech the network finds the voice",
        ),
        Reading(
            "bandwidth",
            "voice",
            ".voice:bandwidth",
            None,
            "telephones hide what synthesis leaves",
            "the highest frequency that is heard, in hertz: telephones end below 3500, a whole recording reaches 8000",
        ),
        Reading(
            "decay_rate",
            "voice",
            ".voice:decay_rate",
            None,
            "echo hides what synthesis leaves",
            "how fast the sound falls after loud moments, in decibels per second: echo makes it slow",
        ),
        Reading(
            "appearance_anomaly",
            "appearance",
            ".appearance:appearance_anomaly",
            "high",
            "arXiv 2501.10111, Shiohara & Yamasaki 2022",
            "how unlike recorded faces the network finds the face",
        ),
    )
}


def readings_of(source: Source) -> tuple[Reading, ...]:
    """The readings that are taken from one source."""
    return tuple(reading for reading in READINGS.values() if reading.of == source)
