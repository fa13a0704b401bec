"""The voice check: does this voice sound as microphones record voices?"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from avsync.checkpoint import Checkpoint
from avsync.checks.interface import LENGTHS, Counterexample
from avsync.clip import FaceClip, SoundClip
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.media import FPS
from avsync.recording import Need, Recording
from avsync.score.frames import moments
from avsync.score.readings import READINGS, Reading, readings_of
from avsync.score.readings.voice import VoiceWindow
from avsync.score.reference import Reference
from avsync.score.verdict import Peak
from avsync.score.windows import Combined, WindowScore, can_score, windows
from avsync.voice.interface import VoiceModel, VoiceReading


class _Limit(NamedTuple):
    """The least that a reading must be for a voice to be heard well; `words` say so of the `most` that is there."""

    reading: str
    least: float
    reason: Reason
    words: str


_LIMITS = (
    # Of 238 windows of real recordings (LibriSpeech, GRID, people who calibrate), 0.8 % lie below. White noise as loud
    # as the speech leaves 4 to 7.5 dB, noise 10 dB softer 5 to 17. Music fills the pauses of speech in the same way.
    _Limit(
        "sound_range",
        8.0,
        Reason.MUSIC,
        "music or noise about as loud as the speech: it stands out by {most:.0f} dB, {least:.0f} are needed",
    ),
    # All these windows reach to 6900 Hz, and sampled at 8 kHz to 3900. Through the band of a telephone, 300 to 3400 Hz,
    # 79 % do not reach to 3800. What synthesis leaves lies mostly above, where models learn to look.
    _Limit("bandwidth", 3800.0, Reason.NARROW_BAND, "the sound reaches to {most:.0f} Hz; {least:.0f} are needed"),
    # Of 166 windows of real recordings (demo pages and videos, people who calibrate) one lies below; with reverberation
    # of half a second, as strong as the direct sound, 98 %. Of sound alone from six rooms, 41 % of the clips below were
    # suspicious for their voice at level 0.05, and 10 % of those above.
    _Limit(
        "decay_rate",
        200.0,
        Reason.REVERBERANT,
        "the sound falls by {most:.0f} dB per second at most, {least:.0f} are needed: there is much echo, or noise",
    ),
)
# The most anomalous place: 0.8 s by an eighth of the map's rows.
_PEAK_SECONDS, _PEAK_PARTS = 0.8, 8


def load(checkpoint: Checkpoint, device: torch.device) -> "VoiceCheck":
    """The voice check of a checkpoint of `avsync train configs/voice_stfpm.yaml`, or of its siblings.

    Raises:
        UsageError: the checkpoint is of another kind.
    """
    if not isinstance(checkpoint.model, VoiceModel):
        raise UsageError("the voice check needs a model of avsync train configs/voice_stfpm.yaml, or of its siblings")
    return VoiceCheck(checkpoint.model.to(device))


def sound_clips(recording: Recording) -> Iterator[SoundClip]:
    """The sound of a recording. Checks that use this function share one pass over it."""
    return recording.sound_clips()


class VoiceCheck:
    """Windows of at most 3 s of the sound, whoever speaks, through a model of recorded voices."""

    name = "voice"
    needs: tuple[Need, ...] = ("speech",)
    readings: tuple[Reading, ...] = (*readings_of("voice"), READINGS["sound_range"])
    ranked_by = "voice_anomaly"
    lengths: tuple[float, ...] = LENGTHS
    reference: Reference | None = None
    # Rebuilt speech would be one, but models learn from it: they know it far better than strangers' synthesis.
    counterexample: Counterexample | None = None
    clips = staticmethod(sound_clips)

    def __init__(self, model: VoiceModel) -> None:
        self._model = model

    def windows(self, clip: SoundClip) -> Iterator[SoundClip]:
        """The windows of a clip that have enough speech."""
        return filter(can_score, windows(clip))

    def measure(self, window: SoundClip | FaceClip) -> WindowScore:
        """Score a window of the sound, or the sound of a window of a face."""
        heard = self._model.read(window.waveform, window.speech_share)
        voice = VoiceWindow(window.waveform, heard.score)
        return WindowScore(
            track=None,
            start=window.start,
            seconds=len(window) / FPS,
            speech_seconds=float(window.speech_share.sum()) / FPS,
            box=None,
            readings={reading.name: reading.read(voice) for reading in self.readings},
            artefacts={
                "voice_map": heard.map,
                "voice_frequencies": heard.frequencies,
                "voice_times": window.start + heard.times.astype(np.float64),
            },
            moments=_moments(heard, window),
            peak=_peak(heard, window),
        )

    def combine(self, windows: Sequence[WindowScore]) -> Combined | None:
        """The windows in which a voice can be heard well.

        Raises:
            CannotJudge: `music`, `narrow_band` or `reverberant`; there is no such window.
        """
        if not windows:
            return None
        for limit in _LIMITS:
            clear = [window for window in windows if window.readings[limit.reading] >= limit.least]
            if not clear:
                most = max(window.readings[limit.reading] for window in windows)
                raise CannotJudge(limit.reason, limit.words.format(most=most, least=limit.least))
            windows = clear
        return Combined(windows, windows)


def _moments(heard: VoiceReading, window: SoundClip | FaceClip) -> NDArray[np.float32]:
    """The mean of the map over all frequencies and the 0.6 s around each frame."""
    frames = (np.arange(len(window)) + 0.5) / FPS
    return moments(np.interp(frames, heard.times, heard.map.mean(axis=0)), window.speech_share)


def _peak(heard: VoiceReading, window: SoundClip | FaceClip) -> Peak:
    """Where in a window the map is highest on average over a stretch and a band, while somebody speaks."""
    spoken = np.interp(heard.times, (np.arange(len(window)) + 0.5) / FPS, window.speech_share) >= 0.5
    grid = np.where(spoken | ~spoken.any(), heard.map, heard.map.min())
    step = float(np.ptp(heard.times)) / max(1, len(heard.times) - 1)
    columns = round(_PEAK_SECONDS / step) if step else 1
    size = (max(1, len(grid) // _PEAK_PARTS), min(max(1, columns), grid.shape[1]))
    row, column = np.unravel_index(uniform_filter(grid.astype(np.float64), size, mode="nearest").argmax(), grid.shape)
    length = len(window) / FPS
    begin = min(max(0.0, float(heard.times[column]) - _PEAK_SECONDS / 2), max(0.0, length - _PEAK_SECONDS))
    end = window.start + min(begin + _PEAK_SECONDS, length)
    return Peak(round(window.start + begin, 3), round(end, 3), round(float(heard.frequencies[row])))
