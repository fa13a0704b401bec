"""What microphones, rooms, telephones and codecs do to speech, drawn at random.

None of it is evidence of synthesis. So real speech and its reconstruction go through the same draw of this chain before
a network learns to tell them apart: then nothing but the reconstruction differs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from avsync.media import RATE
from avsync.speech.level import gain_to, rms

Floats = NDArray[np.float32]
Effect = Callable[[Floats], Floats]

_KNOTS = np.array([60.0, 150, 400, 1000, 2500, 5000, 8000])  # Hz, of a microphone's smooth response
_RESPONSE = 4.0  # dB, standard deviation at a knot
_DECAY = (0.1, 0.7)  # s to -60 dB, of small and large rooms
_DIRECT = (3.0, 20.0)  # dB of the direct sound over the room
_NOISE = (8.0, 50.0)  # dB of the speech over the noise
_NOISE_TILT = (0.0, 2.0)  # exponent of 1/f in power: white, pink, brown
_CUT = (3400.0, 7500.0)  # Hz; telephones end at 3400
_LEVELS = (-32.0, -16.0)  # dB of full scale, of the whole
_CLIPPED = (1.5, 8.0)  # standard deviations at which loud samples bend
# Encoder, its rates (Hz) and bits per second: what telephones, web video and messengers use.
_CODECS: tuple[tuple[str, str, tuple[int, ...], tuple[int, ...]], ...] = (
    ("mp3", "libmp3lame", (16_000, 44_100), (32_000, 48_000, 64_000, 128_000)),
    ("adts", "aac", (16_000, 44_100, 48_000), (24_000, 32_000, 64_000, 128_000)),
    ("ogg", "libopus", (16_000, 48_000), (12_000, 16_000, 24_000, 32_000, 64_000)),
    ("amr", "libopencore_amrnb", (8_000,), (5_900, 7_950, 12_200)),
    ("wav", "pcm_mulaw", (8_000,), (0,)),
)


@dataclass(frozen=True)
class Chances:
    """How often each effect is drawn.

    Attributes:
        equaliser, room, noise, cut, bend, codec: shares of draws.
    """

    equaliser: float = 0.7
    room: float = 0.2
    noise: float = 0.6
    cut: float = 0.25
    bend: float = 0.15
    codec: float = 0.5


class Channel:
    """One draw of the chain. Every waveform of one length that goes through it meets the same room, noise and codec.

    Args:
        rng: what is drawn from.
        chances: how often each effect is drawn.
    """

    def __init__(self, rng: np.random.Generator, chances: Chances) -> None:
        drawn: Sequence[tuple[float, Callable[[np.random.Generator], Effect]]] = (
            (chances.equaliser, _equaliser),
            (chances.room, _room),
            (chances.noise, _noise),
            (chances.cut, _cut),
            (chances.bend, _bend),
            (1.0, _level),
            (chances.codec, _codec),
        )
        self._effects = [make(rng) for chance, make in drawn if rng.random() < chance]

    def __call__(self, waveform: Floats) -> Floats:
        """Return float32 [N] as heard through the chain, of float32 [N] at 16 kHz, N at least 4000."""
        for effect in self._effects:
            waveform = effect(waveform)
        return waveform


def _equaliser(rng: np.random.Generator) -> Effect:
    """A microphone."""
    gains = rng.normal(0, _RESPONSE, len(_KNOTS))
    return lambda x: _filtered(x, 10 ** (_at_knots(gains, len(x)) / 20))


def _room(rng: np.random.Generator) -> Effect:
    """A room, from small to large."""
    decay, direct, seed = rng.uniform(*_DECAY), rng.uniform(*_DIRECT), int(rng.integers(2**31))
    return lambda x: in_room(x, decay, direct, np.random.default_rng(seed))


def _noise(rng: np.random.Generator) -> Effect:
    """A steady noise floor."""
    ratio, tilt, seed = rng.uniform(*_NOISE), rng.uniform(*_NOISE_TILT), int(rng.integers(2**31))

    def add(x: Floats) -> Floats:
        noise = coloured_noise(len(x), tilt, np.random.default_rng(seed))
        return x + noise * np.float32(gain_to(rms(x), noise) * 10 ** (-ratio / 20))

    return add


def _cut(rng: np.random.Generator) -> Effect:
    """A channel that ends below 8 kHz, over a fifth of an octave."""
    cut = rng.uniform(*_CUT)
    return lambda x: _filtered(x, 1 / (1 + (_frequencies(len(x)) / cut) ** 40) ** 0.5)


def _bend(rng: np.random.Generator) -> Effect:
    """An amplifier that is driven too far."""
    limit = rng.uniform(*_CLIPPED)

    def bend(x: Floats) -> Floats:
        highest = limit * max(rms(x), 1e-6)
        return np.asarray(np.tanh(x / highest) * highest, np.float32)

    return bend


def _level(rng: np.random.Generator) -> Effect:
    """The loudness of the recording."""
    level = 10 ** (rng.uniform(*_LEVELS) / 20)
    return lambda x: (x * gain_to(level, x)).clip(-1, 1).astype(np.float32)


def _codec(rng: np.random.Generator) -> Effect:
    """Encoded and decoded."""
    container, name, rates, bits = _CODECS[rng.integers(len(_CODECS))]
    rate, bit_rate = int(rng.choice(rates)), int(rng.choice(bits))
    return lambda x: coded(x, container, name, rate, bit_rate)


def in_room(waveform: Floats, decay: float, direct: float, rng: np.random.Generator) -> Floats:
    """Return sound as heard in a room: noise that decays follows the direct sound (Polack's model).

    Args:
        waveform: float32 [N] at 16 kHz.
        decay: seconds until the room is 60 dB weaker.
        direct: dB of the direct sound over the room.
        rng: draws the room.
    """
    after = np.arange(int(decay * RATE)) / RATE
    tail = rng.normal(size=len(after)) * 10 ** (-3 * after / decay)
    tail *= 10 ** (-direct / 20) / np.linalg.norm(tail)
    tail[0] = 1.0
    return np.asarray(fftconvolve(waveform, tail)[: len(waveform)], np.float32)


def coloured_noise(samples: int, tilt: float, rng: np.random.Generator) -> Floats:
    """Return noise, float32 [samples] at 16 kHz, of any level; its power falls with 1/f**tilt: white 0, pink 1."""
    white = rng.normal(size=samples).astype(np.float32)
    return _filtered(white, np.maximum(_frequencies(samples), 50.0) ** (-tilt / 2))


def coded(waveform: Floats, container: str, codec: str, rate: int, bit_rate: int) -> Floats:
    """Return sound, float32 [N] at 16 kHz, as it is after an encoder of FFmpeg; `bit_rate` 0: the encoder's own."""
    return _decoded(_encoded(waveform, container, codec, rate, bit_rate), len(waveform))


def _encoded(waveform: Floats, container: str, codec: str, rate: int, bit_rate: int) -> BytesIO:
    file = BytesIO()
    with av.open(file, mode="w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(waveform[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    return file


def _decoded(file: BytesIO, samples: int) -> Floats:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(file, mode="r") as source:
        blocks = [block.to_ndarray()[0] for frame in source.decode(audio=0) for block in resampler.resample(frame)]
    blocks += [block.to_ndarray()[0] for block in resampler.resample(None)]
    heard = np.concatenate(blocks)[:samples]
    # What a decoder makes louder than full scale is cut off when it is played.
    return np.pad(heard, (0, samples - len(heard))).clip(-1, 1).astype(np.float32)


def _filtered(waveform: Floats, gain: NDArray[np.floating]) -> Floats:
    """Apply a gain at each frequency of `_frequencies`."""
    size = next_fast_len(len(waveform), real=True)
    return np.asarray(irfft(rfft(waveform, size) * gain, size)[: len(waveform)], np.float32)


def _frequencies(samples: int) -> NDArray[np.float64]:
    return np.asarray(np.fft.rfftfreq(next_fast_len(samples, real=True), 1 / RATE), np.float64)


def _at_knots(gains: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    return np.asarray(np.interp(np.log(np.maximum(_frequencies(samples), 1.0)), np.log(_KNOTS), gains), np.float64)
