"""Where in a sound somebody speaks, with silence trimmed, so that detectors cannot use silence as a shortcut."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import nan
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.media import FPS, RATE, AudioReader, Sound

Trim = Literal["default", "paper", "none"]

_HOP = RATE // 100  # 10 ms
# Leading silence ends at the first |x| above this at 16 kHz: AVH-Align (Smeu et al., CVPR 2025), section 3.
PAPER_THRESHOLD = 0.0005
# Sound this far below the speech level is not speech: consonants reach -25 dB, room tone is at -40 dB and below.
_GATE_DB = 35.0
# Speech begins and ends with sound this close to its level (room tone is lower), searched within so many 10 ms steps.
_EDGE_DB, _EDGE_REACH = 20.0, 10
# A file that never gets louder than this (dB full scale) is silent.
_SILENT_DB = -65.0
# The voice detector gets every file at this level.
_TARGET_DB = -20.0
_CHUNK = 512  # samples per step of the voice detector at 16 kHz
_BATCH_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SpeechActivity:
    """Where in a sound somebody speaks.

    Attributes:
        segments: float64 [n, 2], start and stop of each stretch of speech (s).
        duration: length of the sound (s).
        leading_silence: time before the first sample with |x| > 0.0005 (s); the whole duration if there is no such
            sample, NaN if there are no samples.
    """

    segments: NDArray[np.float64]
    duration: float
    leading_silence: float = nan

    @property
    def start(self) -> float:
        """Start of the first speech (s)."""
        return float(self.segments[0, 0])

    @property
    def stop(self) -> float:
        """End of the last speech (s)."""
        return float(self.segments[-1, 1])

    def on_frames(self, start: float, count: int) -> NDArray[np.float32]:
        """Return the share of speech, 0-1, in each of `count` frames of 1/25 s from `start` (s): float32 [count]."""
        edges = start + np.arange(count + 1) / FPS
        spoken = np.interp(edges, *self._cumulated()) if len(self.segments) else np.zeros(count + 1)
        return np.asarray(np.clip(np.diff(spoken) * FPS, 0, 1), np.float32)

    def _cumulated(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times, and the seconds of speech up to each."""
        lengths = np.diff(self.segments, axis=1)[:, 0]
        spoken = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1)
        return self.segments.ravel(), spoken.ravel()


def speech_activity(
    sound: Sound, trim: Trim = "default", on_progress: Callable[[float], None] | None = None
) -> SpeechActivity:
    """Find the speech in a sound.

    The sound is read twice: once for its level, once by the voice detector.

    Args:
        sound: the sound of a file.
        trim: `default` is Silero voice activity between the first and the last sound that is loud enough to be speech.
            That gate is set from the energy-weighted level, which does not depend on silence: silence added around a
            clip changes nothing inside it. `paper` is everything after the frame with the first sample above 0.0005, or
            everything if that is the very first sample (AVH-Align). `none` is everything.
        on_progress: called with the seconds that the voice detector has heard.

    Raises:
        CannotJudge: `unreadable`.
    """
    power, first, samples = _power(sound)
    duration = samples / RATE
    silence = (first if first >= 0 else samples) / RATE if samples else nan

    def found(segments: NDArray[np.float64]) -> SpeechActivity:
        return SpeechActivity(segments, duration, silence)

    if trim == "none":
        return found(np.array([[0.0, duration]])[: samples > 0])
    if trim == "paper":
        # As github.com/bit-ml/AVH-Align does it: the frame that the silence ends in is left out too.
        begin = (np.floor(first / RATE * FPS) + (first > 0)) / FPS
        return found(np.array([[begin, duration]])[: first >= 0])
    level = float((power**2).sum() / max(power.sum(), 1e-30))
    if level < 10 ** (_SILENT_DB / 10):
        return found(np.zeros((0, 2)))
    loud = np.flatnonzero(power > level * 10 ** (-_GATE_DB / 10))
    start, stop = int(loud[0]) * _HOP, int(loud[-1] + 1) * _HOP
    gain = float(np.sqrt(10 ** (_TARGET_DB / 10) / level))
    voiced = _voiced(sound.reader(), start, stop, gain, on_progress)
    return found(_tightened(voiced, power > level * 10 ** (-_EDGE_DB / 10)))


def _tightened(voiced: NDArray[np.float64], strong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Move the edges of speech segments (s) to strong 10 ms steps, searched a little around the detector's edges.

    The detector has memory, so its edges move a little when room tone is put before a clip; the energy of the speech
    does not.
    """
    near = np.zeros(len(strong) + 1, bool)
    for start, stop in np.rint(voiced * 100).astype(int):
        near[max(0, start - _EDGE_REACH) : stop + _EDGE_REACH] = True
    near[-1] = False
    edges = np.flatnonzero(np.diff(near, prepend=False)).reshape(-1, 2)
    inside = ((begin + np.flatnonzero(strong[begin:end])) for begin, end in edges)
    return np.array([(s[0] / 100, (s[-1] + 1) / 100) for s in inside if len(s)], np.float64).reshape(-1, 2)


def _power(sound: Sound) -> tuple[NDArray[np.float64], int, int]:
    """Return the mean square of every 10 ms (the last one padded with zeros), the index of the first sample above the
    paper's threshold (-1: none), and the number of samples."""
    rest, powers, first, samples = np.zeros(0, np.float32), [], -1, 0
    for block in sound.blocks():
        if first < 0 and (above := np.abs(block) > PAPER_THRESHOLD).any():
            first = samples + int(above.argmax())
        samples += len(block)
        unread = np.concatenate([rest, block])
        whole = len(unread) // _HOP * _HOP
        rest = unread[whole:]
        powers.append(_mean_square(unread[:whole]))
    powers.append(_mean_square(np.pad(rest, (0, -len(rest) % _HOP))))
    return np.concatenate(powers), first, samples


def _mean_square(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.square(samples, dtype=np.float64).reshape(-1, _HOP).mean(axis=1))


def _voiced(
    reader: AudioReader, start: int, stop: int, gain: float, on_progress: Callable[[float], None] | None
) -> NDArray[np.float64]:
    """Silero's speech segments (s) in samples [start, stop)."""
    from silero_vad import VADIterator

    detector, found = VADIterator(_silero(), sampling_rate=RATE), []
    step = _BATCH_SECONDS * RATE // _CHUNK * _CHUNK
    for begin in range(start, stop, step):
        samples = torch.from_numpy(reader.read(begin, min(begin + step, stop)) * gain)
        samples = torch.nn.functional.pad(samples, (0, -len(samples) % _CHUNK))
        found += [detector(chunk) for chunk in samples.reshape(-1, _CHUNK)]
        if on_progress:
            on_progress(min(begin + step, stop) / RATE)
    edges = [((start + at) / RATE) for event in found if event for at in event.values()]
    if len(edges) % 2:  # the speech lasts to the end
        edges.append(stop / RATE)
    return np.clip(np.array(edges, np.float64).reshape(-1, 2), start / RATE, stop / RATE)


@cache
def _silero() -> Any:
    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad  # importing it sets torch to one thread

    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Silero's file is TorchScript
        return load_silero_vad()
