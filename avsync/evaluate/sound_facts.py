"""What a sound is like apart from its voice: the shortcuts that a detector may have learned instead."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.errors import CannotJudge
from avsync.media import RATE, audio_blocks

_FRAME = 1024  # samples, 64 ms
# A frequency has energy if its mean power lies no further than this (dB) below that of the strongest.
_RANGE = 60.0


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """Facts of a sound as the checks hear it, mono at 16 kHz.

    Attributes:
        seconds: its length.
        leading_silence, trailing_silence: time before the first and after the last sample with |x| > 0.0005 (s);
            `seconds` if there is none.
        first_sample: |x| of the first sample that is heard, 0 to 1; None of an empty sound.
        loudness: root mean square of all samples, in dB of full scale; None of digital silence.
        highest_frequency: the highest frequency (Hz) whose mean power is within 60 dB of that of the strongest, so that
            a low-pass filter or a lower sampling rate shows; None of digital silence or less than 64 ms.
    """

    seconds: float
    leading_silence: float
    loudness: float | None
    highest_frequency: float | None
    trailing_silence: float | None = None
    first_sample: float | None = None


def sound_facts(path: Path) -> SoundFacts | None:
    """Decode a file's sound once, in constant memory, and measure it; None if it cannot be decoded."""
    from avsync.speech import PAPER_THRESHOLD  # imports torch

    samples, energy, rest = 0, 0.0, np.zeros(0, np.float32)
    loud_at, loud_until, first = None, 0, None  # in samples
    power = np.zeros(_FRAME // 2 + 1)
    try:
        for block in audio_blocks(path):
            loud = np.flatnonzero(np.abs(block) > PAPER_THRESHOLD)
            if len(loud):
                loud_at = samples + int(loud[0]) if loud_at is None else loud_at
                loud_until = samples + int(loud[-1]) + 1
            if first is None and len(block):
                first = abs(float(block[0]))
            samples += len(block)
            energy += float(np.square(block, dtype=np.float64).sum())
            rest = np.concatenate([rest, block])
            whole = len(rest) // _FRAME * _FRAME
            power += _power(rest[:whole])
            rest = rest[whole:]
    except CannotJudge:
        return None
    return SoundFacts(
        seconds=samples / RATE,
        leading_silence=(samples if loud_at is None else loud_at) / RATE,
        trailing_silence=(samples - loud_until) / RATE,
        first_sample=first,
        loudness=10 * float(np.log10(energy / samples)) if energy else None,
        highest_frequency=_highest(power),
    )


def _power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of the power spectra of whole frames, float64 [513]."""
    frames = samples.reshape(-1, _FRAME) * np.hanning(_FRAME)
    return np.asarray(np.square(np.abs(np.fft.rfft(frames))).sum(axis=0))


def _highest(power: NDArray[np.float64]) -> float | None:
    if not power.any():
        return None
    above = np.flatnonzero(power >= power.max() * 10 ** (-_RANGE / 10))
    return float(above[-1]) * RATE / _FRAME
