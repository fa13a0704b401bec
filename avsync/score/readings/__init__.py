"""The readings: numbers taken from a window, in one registry. Importing it imports nothing heavy.

To add a reading, write a function and add its line here; `docs/adding.md` shows how.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

Source = Literal["lattice", "face", "view", "voice"]


@dataclass(frozen=True)
class Reading:
    """One number taken from a window.

    Attributes:
        name: as results and calibrations call it.
        of: what it is taken from: "lattice" (`lattice.LatticeWindow`), "face" (`face.FaceWindow`), "voice"
            (`voice.VoiceWindow`) or "view" (a window of a clip).
        function: "module:function"; a module that begins with a dot is one of this package.
        odd: the side on which it is anomalous; None: it is reported and does not count.
        source: the paper, or the reason.
        grows: whether it grows with the length of the window, so that lengths cannot be compared.
    """

    name: str
    of: Source
    function: str
    odd: Literal["low", "high"] | None
    source: str
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
        Reading("agreement", "lattice", ".lattice:agreement", "low", "mean at the best offset; arXiv 1807.03748"),
        Reading("worst_moment", "lattice", ".lattice:worst_moment", None, "the worst 0.6 s against the whole window"),
        Reading("speechforensics", "lattice", ".lattice:speechforensics", "low", "SpeechForensics, NeurIPS 2024"),
        Reading("factor", "lattice", ".lattice:factor", "low", "FACTOR, arXiv 2311.01458"),
        Reading("log_mean_exp", "lattice", ".lattice:log_mean_exp", "high", "AVH-Align with a mean for the sum"),
        Reading("log_sum_exp", "lattice", ".lattice:log_sum_exp", "high", "AVH-Align, CVPR 2025", grows=True),
        Reading("head_turn", "view", ".view:head_turn", None, "turned lips are half hidden"),
        Reading("sound_range", "view", ".view:sound_range", None, "noise and music hide what the lips say"),
        Reading("lip_acceleration", "face", ".face:lip_acceleration", "low", "generated lips start and stop smoothly"),
        Reading(
            "mouth_motion_variability", "face", ".face:mouth_motion_variability", "low", "generated lips move evenly"
        ),
        Reading("mouth_temporal_noise", "face", ".face:mouth_temporal_noise", "low", "generated texture moves along"),
        Reading(
            "mouth_noise_against_face",
            "face",
            ".face:mouth_noise_against_face",
            "low",
            "codecs treat mouth and face alike",
        ),
        Reading("mouth_detail", "face", ".face:mouth_detail", "low", "lip-sync draws the mouth at a low resolution"),
        Reading("brow_motion", "face", ".face:brow_motion", "low", "generated faces move head and brows less"),
        Reading("voice_anomaly", "voice", ".voice:voice_anomaly", "high", "arXiv 2503.18032, arXiv 2501.10111"),
        Reading("bandwidth", "voice", ".voice:bandwidth", None, "telephones hide what synthesis leaves"),
    )
}


def readings_of(source: Source) -> tuple[Reading, ...]:
    """The readings that are taken from one source."""
    return tuple(reading for reading in READINGS.values() if reading.of == source)
