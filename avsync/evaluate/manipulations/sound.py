"""Speech through filters, rooms, telephones and amplifiers, and at another pitch."""

import random
from collections.abc import Callable

import numpy as np

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.graphs import Chain, Samples, filtered_samples, fitted
from avsync.evaluate.manipulations.interface import Make, Source
from avsync.evaluate.manipulations.rewrite import Heard
from avsync.media import RATE

_TELEPHONE = (300.0, 3400.0)  # Hz, the band of ITU-T G.711
_DECAY, _DIRECT = 0.5, 0.0  # s until the room is 60 dB weaker; dB of the direct sound over it


def heard(change: Callable[[Samples], Samples]) -> Make:
    """Change the samples, float32 [n] → [n]; copy the pictures."""

    def effect(samples: Samples, _: Source, __: random.Random) -> Samples:
        return change(samples)

    return changed(heard=Heard(effect))


def equalised(*chain: tuple[str, str]) -> Make:
    """Send the sound through filters of FFmpeg that keep its length."""
    return heard(lambda samples: fitted(filtered_samples(samples, chain), len(samples)))


def pitched(semitones: float) -> Make:
    """Move the pitch, formants too, and keep the tempo: other sampling rate, then WSOLA (`atempo`)."""
    factor = 2 ** (semitones / 12)
    chain: Chain = (("asetrate", str(round(RATE * factor))), ("aresample", str(RATE)), ("atempo", str(1 / factor)))
    return equalised(*chain)


def louder(gain_db: float) -> Make:
    """Change the loudness; what leaves the range is clipped."""
    return heard(lambda samples: (samples * np.float32(10 ** (gain_db / 20))).clip(-1, 1))


def resampled(up: int, down: int) -> Make:
    """Reduce the sampling rate by up / down, and go back to 16 kHz."""

    def change(samples: Samples) -> Samples:
        from scipy.signal import resample_poly

        again = resample_poly(resample_poly(samples, up, down), down, up)
        return fitted(again.astype(np.float32), len(samples))

    return heard(change)


def telephone() -> Make:
    """300 to 3400 Hz, 8000 samples per second, A-law."""

    def change(samples: Samples) -> Samples:
        from scipy.signal import butter, sosfiltfilt

        from avsync.reconstruct.channel import coded

        band = butter(4, _TELEPHONE, "bandpass", fs=RATE, output="sos")
        return coded(sosfiltfilt(band, samples).astype(np.float32), "wav", "pcm_alaw", RATE // 2, 0)

    return heard(change)


def in_hall() -> Make:
    """A room whose reverberation holds as much energy as the direct sound; the level stays."""

    def effect(samples: Samples, _: Source, chance: random.Random) -> Samples:
        from avsync.reconstruct.channel import in_room
        from avsync.speech.level import gain_to, rms

        wet = in_room(samples, _DECAY, _DIRECT, generator(chance))
        return np.asarray(wet * gain_to(rms(samples), wet), np.float32)

    return changed(heard=Heard(effect))


def generator(chance: random.Random) -> np.random.Generator:
    """A generator of numpy, seeded by chance."""
    return np.random.default_rng(chance.randrange(2**32))
