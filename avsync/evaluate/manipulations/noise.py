"""Noise behind the speech, and other voices."""

import random
from functools import lru_cache
from pathlib import Path

import numpy as np

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.graphs import Samples
from avsync.evaluate.manipulations.interface import CannotManipulate, Make, Source
from avsync.evaluate.manipulations.rewrite import Heard, read_sound
from avsync.evaluate.manipulations.sound import generator
from avsync.media import RATE, Sound

TALKERS = 5  # of the babble, as far as there are so many


def noisy(below_db: float, tilt: float = 0.0) -> Make:
    """Add noise so far below the speech; its power falls with 1/f**tilt: white 0, pink 1."""

    def effect(samples: Samples, source: Source, chance: random.Random) -> Samples:
        from avsync.reconstruct.channel import coloured_noise

        noise = coloured_noise(len(samples), tilt, generator(chance))
        return added(samples, noise, source.sound_path, below_db)

    return changed(heard=Heard(effect))


def babble(below_db: float) -> Make:
    """Add the real speech of up to five other people at once, so far below the speech."""

    def effect(samples: Samples, source: Source, chance: random.Random) -> Samples:
        from avsync.speech.level import gain_to

        talk = np.zeros(len(samples), np.float32)
        for path in source.others:
            other = repeated(speech_of(path), len(samples))
            talk += np.roll(other, chance.randrange(max(1, len(other)))) * np.float32(gain_to(1.0, other))
        if not talk.any():
            raise CannotManipulate("there is no real speech of other people to add")
        return added(samples, talk, source.sound_path, below_db)

    return changed(heard=Heard(effect))


def added(samples: Samples, noise: Samples, path: Path, below_db: float) -> Samples:
    """Return both together, the noise so many dB below the speech of the file. [n], [n] → [n]."""
    from avsync.speech.level import gain_to

    level = speech_level(path, samples) * 10 ** (-below_db / 20)
    return np.asarray(samples + noise * np.float32(gain_to(level, noise)), np.float32)


def speech_level(path: Path, samples: Samples) -> float:
    """Return the root mean square of the samples with speech; of all samples, if there is no speech."""
    from avsync.speech.level import rms

    return rms(np.concatenate([samples[begin:end] for begin, end in _speech(path)] or [samples]))


def speech_of(path: Path) -> Samples:
    """Return the sound of a file from its first to its last speech; all of it, if there is no speech."""
    samples, segments = read_sound(path), _speech(path)
    return samples[segments[0][0] : segments[-1][1]] if segments else samples


@lru_cache(maxsize=1024)  # the same clips come again with every manipulation
def _speech(path: Path) -> list[tuple[int, int]]:
    """Where somebody speaks in a file, in samples."""
    from avsync.speech import speech_activity  # imports torch

    segments = (speech_activity(Sound(path)).segments * RATE).round().astype(int)
    return [(int(begin), int(end)) for begin, end in segments]


def repeated(samples: Samples, length: int) -> Samples:
    """Return samples cut to a length, or repeated to it. [n] → [length]; of nothing zeros."""
    return np.resize(samples, length) if len(samples) else np.zeros(length, np.float32)
