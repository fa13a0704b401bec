"""Real speech mixed with that of somebody else, under the same pictures.

From Afchar, Meseguer-Brocal & Hennequin, "Detecting music deepfakes is easy but actually hard" (arXiv 2405.04181,
calibration), who add a recording and its reconstruction with the weights w and 1 - w, for ten w from 0 to 1.
"""

import random

import numpy as np

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.graphs import Samples
from avsync.evaluate.manipulations.interface import CannotManipulate, Make, Source
from avsync.evaluate.manipulations.noise import repeated, speech_level, speech_of
from avsync.evaluate.manipulations.rewrite import Heard, read_sound

SHARES = tuple(np.linspace(0, 1, 10).round(3).tolist())  # of the clip's own sound


def mixed(share: float) -> Make:
    """Add the clip's sound and the first other speech, as loud as its own, with the weights `share` and 1 - `share`.

    Speech that is too short is repeated.
    """

    def effect(samples: Samples, source: Source, _: random.Random) -> Samples:
        from avsync.speech.level import gain_to

        if not source.others:
            raise CannotManipulate("there is no real speech of other people to mix with")
        other = repeated(speech_of(source.others[0]), len(samples))
        other = other * np.float32(gain_to(speech_level(source.sound_path, samples), other))
        return mix(samples, other, share)

    return changed(heard=Heard(effect))


def mixed_with_copy(share: float) -> Make:
    """The same with a copy of the clip that keeps its time, as it is: by a vocoder or a codec."""

    def effect(samples: Samples, source: Source, _: random.Random) -> Samples:
        if not source.others:
            raise CannotManipulate("there is no copy to mix with")
        return mix(samples, read_sound(source.others[0]), share)

    return changed(heard=Heard(effect))


def mix(own: Samples, other: Samples, share: float) -> Samples:
    """Return both sounds, cut to the shorter, added with the weights `share` and 1 - `share`. [n], [m] → [min]."""
    length = min(len(own), len(other))
    return np.asarray(share * own[:length] + (1 - share) * other[:length], np.float32)
