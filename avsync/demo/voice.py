"""Synthesise nonsense speech and the matching lip movements, with a source-filter model.

Lips and sound follow one plan and are coupled as in a vocal tract: closed lips let no sound out, open vowels are loud,
rounded vowels have narrow lips.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from avsync.media import FPS, RATE

_STEPS = 200  # steps of the plan per second: fast enough for articulators, 8 per picture
_BLOCK = RATE // _STEPS
_EDGE = 0.16  # seconds of silence at either end
_LEVEL = 0.07  # RMS of every utterance, full scale 1
_ROOM = 0.0008  # RMS of the room tone

# Women's mean F1, F2, F3 in Hz (Peterson & Barney 1952, table II), and lip width: -1 rounded, 1 spread.
_VOWELS = {
    "i": ((310.0, 2790.0, 3310.0), 1.0),
    "ɪ": ((430.0, 2480.0, 3070.0), 0.6),
    "ɛ": ((610.0, 2330.0, 2990.0), 0.5),
    "æ": ((860.0, 2050.0, 2850.0), 0.4),
    "ɑ": ((850.0, 1220.0, 2810.0), 0.0),
    "ɔ": ((590.0, 920.0, 2710.0), -0.8),
    "ʊ": ((470.0, 1160.0, 2680.0), -0.7),
    "u": ((370.0, 950.0, 2670.0), -1.0),
    "ʌ": ((760.0, 1400.0, 2780.0), 0.1),
}
_ONSETS = ("", "p", "b", "m", "s", "sh")
_UPPER_FORMANTS = (4200.0, 5300.0)
_BANDWIDTHS = np.array([80.0, 100.0, 150.0, 250.0, 350.0])
_SHUT = -0.8  # closing lips aim past contact, so the target is below zero (Löfqvist & Gracco 1997)


@dataclass(frozen=True)
class Utterance:
    """Speech and the lip movements that belong to it."""

    waveform: NDArray[np.float32]
    """Mono sound [n] at 16 kHz."""
    opening: NDArray[np.float32]
    """Gap between the lips in the middle of each 25 Hz frame [T]: 0 closed, 1 fully open."""
    width: NDArray[np.float32]
    """Lip width [T]: -1 rounded, 0 neutral, 1 spread."""


class _Phone(NamedTuple):
    """One target of the plan; `leak` is the sound level through the nose or the cheeks."""

    seconds: float
    opening: float
    width: float
    f1: float
    f2: float
    f3: float
    pitch: float = 1.0
    voice: float = 0.0
    leak: float = 0.0
    breath: float = 0.0
    s: float = 0.0
    sh: float = 0.0


_PAUSE = _Phone(_EDGE, 0.0, 0.1, 500.0, 1500.0, 2700.0)
# Seconds that each field takes to reach its target; lips and jaw are slower than glottis and turbulence.
_GLIDE = _Phone(0.0, 0.13, 0.16, 0.07, 0.07, 0.07, 0.15, 0.03, 0.03, 0.02, 0.04, 0.04)


def speak(seconds: float, seed: int, take: int = 0) -> Utterance:
    """Synthesise nonsense syllables.

    All utterances have the same loudness and the same silence before and after.

    Args:
        seconds: length, silence included.
        seed: chooses the voice.
        take: chooses the utterance of that voice.
    """
    rng = np.random.default_rng([seed, take])
    plan = _glide(_plan(seconds, rng), round(seconds * _STEPS))
    waveform = _sound(plan, base_pitch=195.0 + 25.0 * np.random.default_rng(seed).random(), rng=rng)
    middle = ((np.arange(int(seconds * FPS)) + 0.5) * _STEPS / FPS).astype(int)
    opening, width = (plan[name][middle].astype(np.float32) for name in ("opening", "width"))
    return Utterance(waveform, opening, width)


def _plan(seconds: float, rng: np.random.Generator) -> list[_Phone]:
    """Phrases of 4 to 9 syllables with short pauses, stretched a little to fill the time between the silent edges."""
    phones: list[_Phone] = []
    room = seconds - 2 * _EDGE
    while sum(phone.seconds for phone in phones) < room:
        if phones:
            phones.append(_PAUSE._replace(seconds=rng.uniform(0.15, 0.4)))
        count = int(rng.integers(4, 10))
        for position in range(count):
            onset, vowel = str(rng.choice(_ONSETS)), str(rng.choice(list(_VOWELS)))
            if not phones:  # all utterances start with the same sound at the same time
                onset, vowel = "", "ʌ"
            declination = 1.1 - 0.25 * position / count
            phones += _syllable(onset, vowel, declination, position == count - 1, rng)
            if sum(phone.seconds for phone in phones) >= room:
                break
    stretch = room / sum(phone.seconds for phone in phones)
    return [_PAUSE, *(phone._replace(seconds=phone.seconds * stretch) for phone in phones), _PAUSE]


def _syllable(onset: str, vowel_name: str, pitch: float, last: bool, rng: np.random.Generator) -> list[_Phone]:
    (f1, f2, f3), width = _VOWELS[vowel_name]
    stress = rng.choice([0.85, 1.0, 1.25])
    length = 0.125 * stress * (1.5 if last else 1.0) * rng.lognormal(0.0, 0.2)
    # An opening jaw raises F1, so the opening follows from F1.
    opening = float(np.interp(f1, [250.0, 860.0], [0.15, 0.95])) * stress**0.5
    pitch *= stress**0.4
    vowel = _Phone(length, opening, width, f1, f2, f3, pitch, voice=stress)
    # Closing lips lower every formant, the first one most.
    shut = vowel._replace(seconds=rng.uniform(0.075, 0.105), opening=_SHUT, f1=250.0, f2=0.8 * f2)
    hiss = vowel._replace(seconds=rng.uniform(0.08, 0.12), opening=0.12, f1=300.0, f2=1800.0, voice=0.0)
    before = {
        "": [],
        "p": [shut._replace(voice=0.0), vowel._replace(seconds=0.03, voice=0.0, breath=1.0)],
        "b": [shut._replace(leak=0.03)],
        "m": [shut._replace(leak=0.08)],
        "s": [hiss._replace(s=1.0)],
        "sh": [hiss._replace(sh=1.0, opening=0.2, width=-0.5)],
    }
    return [*before[onset], vowel]


def _glide(phones: list[_Phone], steps: int) -> dict[str, NDArray[np.float64]]:
    """Turn targets into smooth tracks, one of [steps] for each field of the plan."""
    ends = np.cumsum([phone.seconds for phone in phones])
    which = np.minimum(np.searchsorted(ends, (np.arange(steps) + 0.5) / _STEPS), len(phones) - 1)
    tracks = {}
    for name, glide in zip(_Phone._fields[1:], _GLIDE[1:], strict=True):
        target = np.array([getattr(phone, name) for phone in phones])[which]
        window = np.hanning(round(glide * _STEPS) + 2)
        half = len(window) // 2
        padded = np.pad(target, (half, len(window) - 1 - half), mode="edge")
        tracks[name] = np.convolve(padded, window / window.sum(), mode="valid")
    tracks["opening"] = np.clip(tracks["opening"], 0.0, 1.0)
    return tracks


def _sound(plan: dict[str, NDArray[np.float64]], base_pitch: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Glottal pulses and breath filtered by the mouth, fricative noise, and room tone."""
    track = {name: np.repeat(values, _BLOCK) for name, values in plan.items()}
    size = len(track["pitch"])
    noise = rng.standard_normal((4, size))
    # No sound leaves closed lips, and more the wider they open.
    out = np.clip(track["opening"] / 0.12, 0.0, 1.0) * (0.35 + 0.65 * track["opening"])
    flutter = 1.0 + 0.4 * np.convolve(noise[0], np.hanning(1600) / 800.0, mode="same")  # 1 % of the pitch
    pulses = _pulses(base_pitch * track["pitch"] * flutter) + 0.02 * noise[1]
    source = track["voice"] * np.maximum(out, track["leak"]) * pulses
    source += track["breath"] * out * 0.04 * noise[1]
    mouth = _resonate(source, np.stack([plan["f1"], plan["f2"], plan["f3"]], axis=1))
    mouth /= np.sqrt(np.mean(mouth**2)) / _LEVEL
    hiss = track["s"] * _band(noise[2], 4800.0, 7600.0) + track["sh"] * _band(noise[2], 2200.0, 5500.0)
    voice = mouth + 0.35 * _LEVEL * hiss
    voice *= _LEVEL / np.sqrt(np.mean(voice**2))
    waveform: NDArray[np.float32] = (voice + _ROOM * noise[3]).astype(np.float32)
    return waveform


def _pulses(pitch: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative of the glottal flow (Rosenberg 1971; open 60 % of each period) at a pitch [n] in Hz."""
    phase = np.cumsum(pitch / RATE) % 1.0 / 0.6
    return np.where(phase < 1.0, 2.0 * phase - 3.0 * phase**2, 0.0)


def _resonate(source: NDArray[np.float64], formants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pass `source` [n] through a cascade of resonators (Klatt 1980) at `formants` Hz [n / block, 3]."""
    upper = np.broadcast_to(_UPPER_FORMANTS, (len(formants), 2))
    frequency = np.concatenate([formants, upper], axis=1)
    radius = np.exp(-np.pi * _BANDWIDTHS / RATE)
    second = -2.0 * radius * np.cos(2.0 * np.pi * frequency / RATE)
    third = np.broadcast_to(radius**2, second.shape)
    zero, one = np.zeros_like(second), np.ones_like(second)
    sections = np.stack([one + second + third, zero, zero, one, second, third], axis=2)
    state = np.zeros((frequency.shape[1], 2))
    blocks = []
    for section, block in zip(sections, source.reshape(-1, _BLOCK), strict=True):
        filtered, state = sosfilt(section, block, zi=state)
        blocks.append(filtered)
    return np.concatenate(blocks)


def _band(noise: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Noise of unit RMS between two frequencies in Hz."""
    band: NDArray[np.float64] = sosfilt(butter(4, [low, high], "bandpass", fs=RATE, output="sos"), noise)
    band /= np.sqrt(np.mean(band**2))
    return band
