"""Where in a file somebody speaks, and what to trim, so that silence can be no shortcut."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.media import FPS, RATE, AudioReader, audio_blocks

Trim = Literal["default", "paper", "none"]

_HOP = RATE // 100  # 10 ms
# The paper's rule for leading silence: AVH-Align (Smeu et al., CVPR 2025), section 3: first |x| above this at 16 kHz.
PAPER_THRESHOLD = 0.0005
# Sound this far below the speech level is not heard as speech: consonants reach -25 dB, rooms are at -40 dB and below.
_GATE_DB = 35.0
# Speech begins and ends with sound this near its level (room tone is lower), sought within so many steps of 10 ms.
_EDGE_DB, _EDGE_SOUGHT = 20.0, 10
# A file that never gets louder than this (dB full scale) is silent.
_SILENT_DB = -65.0
# The voice detector hears every file at the same level.
_TARGET_DB = -20.0
_CHUNK = 512  # samples per step of the voice detector at 16 kHz
_BATCH_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SpeechActivity:
    """Speech as `segments`, a float64 array [n, 2] of (start, stop) in seconds, of a sound `duration` seconds long."""

    segments: NDArray[np.float64]
    duration: float

    @property
    def start(self) -> float:
        """Where the first speech starts (s)."""
        return float(self.segments[0, 0])

    @property
    def stop(self) -> float:
        """Where the last speech stops (s)."""
        return float(self.segments[-1, 1])

    def on_frames(self, start: float, count: int) -> NDArray[np.float32]:
        """The share of speech, 0-1, in each of `count` frames of 1/25 s from `start` (s): float32 [count]."""
        edges = start + np.arange(count + 1) / FPS
        heard = np.interp(edges, *self._cumulated()) if len(self.segments) else np.zeros(count + 1)
        return np.asarray(np.clip(np.diff(heard) * FPS, 0, 1), np.float32)

    def _cumulated(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times, and the seconds of speech heard up to each."""
        lengths = np.diff(self.segments, axis=1)[:, 0]
        heard = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1)
        return self.segments.ravel(), heard.ravel()


def speech_activity(path: Path, trim: Trim = "default", warnings: list[str] | None = None) -> SpeechActivity:
    """Find the speech of a file's sound.

    `default`: Silero voice activity between the first and last sound that is loud enough to be speech. The gate is
    set from the energy-weighted level, which added silence does not move: silence put around a clip changes nothing
    inside it.
    `paper`: all from the first sample above 0.0005 (AVH-Align). `none`: everything.
    What is damaged in the sound is added to `warnings`, a line.

    Raises:
        CannotJudge: `unreadable`.
    """
    power, first, samples = _power(path, warnings)
    duration = samples / RATE
    if trim == "none":
        return SpeechActivity(np.array([[0.0, duration]])[: samples > 0], duration)
    if trim == "paper":
        begin = np.floor(first / RATE * FPS) / FPS
        return SpeechActivity(np.array([[begin, duration]])[: first >= 0], duration)
    level = float((power**2).sum() / max(power.sum(), 1e-30))
    if level < 10 ** (_SILENT_DB / 10):
        return SpeechActivity(np.zeros((0, 2)), duration)
    loud = np.flatnonzero(power > level * 10 ** (-_GATE_DB / 10))
    start, stop = int(loud[0]) * _HOP, int(loud[-1] + 1) * _HOP
    gain = float(np.sqrt(10 ** (_TARGET_DB / 10) / level))
    voiced = _voiced(AudioReader(path), start, stop, gain)
    return SpeechActivity(_tightened(voiced, power > level * 10 ** (-_EDGE_DB / 10)), duration)


def _tightened(voiced: NDArray[np.float64], strong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Speech segments (s) that begin and end with a strong 10 ms, sought a little around the detector's edges.

    The detector hears what came before, so its edges move a little when room tone is put before a clip; the speech's
    own energy does not.
    """
    heard = np.zeros(len(strong) + 1, bool)
    for start, stop in np.rint(voiced * 100).astype(int):
        heard[max(0, start - _EDGE_SOUGHT) : stop + _EDGE_SOUGHT] = True
    heard[-1] = False
    edges = np.flatnonzero(np.diff(heard, prepend=False)).reshape(-1, 2)
    inside = ((begin + np.flatnonzero(strong[begin:end])) for begin, end in edges)
    return np.array([(s[0] / 100, (s[-1] + 1) / 100) for s in inside if len(s)], np.float64).reshape(-1, 2)


def _power(path: Path, warnings: list[str] | None) -> tuple[NDArray[np.float64], int, int]:
    """Mean square of every 10 ms (the last filled up with zeros, as if silence followed), the index of the first sample
    above the paper's threshold (-1: none), and the number of samples."""
    rest, powers, first, seen = np.zeros(0, np.float32), [], -1, 0
    for block in audio_blocks(path, warnings):
        if first < 0 and (above := np.abs(block) > PAPER_THRESHOLD).any():
            first = seen + int(above.argmax())
        seen += len(block)
        samples = np.concatenate([rest, block])
        whole = len(samples) // _HOP * _HOP
        rest = samples[whole:]
        powers.append(_mean_square(samples[:whole]))
    powers.append(_mean_square(np.pad(rest, (0, -len(rest) % _HOP))))
    return np.concatenate(powers), first, seen


def _mean_square(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.square(samples, dtype=np.float64).reshape(-1, _HOP).mean(axis=1))


def _voiced(reader: AudioReader, start: int, stop: int, gain: float) -> NDArray[np.float64]:
    """Silero's speech segments (s) in samples [start, stop)."""
    from silero_vad import VADIterator

    detector, found = VADIterator(_silero(), sampling_rate=RATE), []
    step = _BATCH_SECONDS * RATE // _CHUNK * _CHUNK
    for begin in range(start, stop, step):
        samples = torch.from_numpy(reader.read(begin, min(begin + step, stop)) * gain)
        samples = torch.nn.functional.pad(samples, (0, -len(samples) % _CHUNK))
        found += [detector(chunk) for chunk in samples.reshape(-1, _CHUNK)]
    edges = [((start + at) / RATE) for event in found if event for at in event.values()]
    if len(edges) % 2:  # still speaking at the end
        edges.append(stop / RATE)
    return np.clip(np.array(edges, np.float64).reshape(-1, 2), start / RATE, stop / RATE)


@cache
def _silero() -> Any:
    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad  # sets torch to one thread when imported

    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Silero's own file is TorchScript
        return load_silero_vad()
