"""Ways to make speech worse: what codecs, telephones, rooms and the web do to a voice without making it a fake."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from avsync.media import RATE, Sound
from benchmark.degrade import speech_level

Samples = NDArray[np.float32]  # mono, 16 kHz, in [-1, 1]
DegradeSpeech = Callable[[Path, Path, random.Random], Path]  # from a file, without ending, to the worse one

_TELEPHONE = (300.0, 3400.0)  # Hz, the band of ITU-T G.711
_DECAY = 0.5  # s, until the reverberation is 60 dB weaker


def speech_steps(only: str | None = None) -> Iterator[tuple[str, DegradeSpeech]]:
    """Yield the name of each step and what it does to speech; `only`: beginnings of names, joined by commas.

    A step takes the file, the target without its ending, and chance; it returns the target as written.
    """
    found: dict[str, DegradeSpeech] = {
        "as it is": _copy,
        "MP3 64 kbps": partial(_coded, ending=".mp3", codec="libmp3lame", bit_rate=64_000),
        "MP3 32 kbps": partial(_coded, ending=".mp3", codec="libmp3lame", bit_rate=32_000),
        "AAC 32 kbps": partial(_coded, ending=".m4a", codec="aac", bit_rate=32_000),
        "Opus 16 kbps": partial(_coded, ending=".ogg", codec="libopus", bit_rate=16_000),
        "telephone": _telephone,
        "noise 20 dB": partial(_noisy, below_db=20),
        "noise 10 dB": partial(_noisy, below_db=10),
        "reverb": _reverberant,
        "8 kHz and back": partial(_resampled, up=1, down=2),
        "11.025 kHz and back": partial(_resampled, up=441, down=640),
        "gain -20 dB": partial(_louder, gain_db=-20),
        "gain +10 dB": partial(_louder, gain_db=10),
    }
    wanted = tuple((only or "").split(","))
    yield from ((name, degrade) for name, degrade in found.items() if name.startswith(wanted))


def read_speech(path: Path) -> Samples:
    """Return the sound of a file. Raises CannotJudge: `unreadable`."""
    return np.concatenate([np.zeros(0, np.float32), *Sound(path).blocks()])


def write_speech(target: Path, samples: Samples, codec: str = "flac", bit_rate: int = 0, rate: int = RATE) -> Path:
    """Write mono sound, clipped to [-1, 1]; the container follows from the ending. Returns `target`."""
    with av.open(str(target), "w") as container:
        voice = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(voice, av.AudioStream)
        if bit_rate:
            voice.bit_rate = bit_rate
        # 16 bits: the only format that all the encoders' resamplers and FLAC agree on without a rounding of their own.
        whole = (np.clip(samples, -1, 1) * 32767).round().astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    return target


def _copy(source: Path, target: Path, _: random.Random) -> Path:
    whole = target.with_name(target.name + source.suffix)
    whole.write_bytes(source.read_bytes())
    return whole


def _coded(source: Path, target: Path, _: random.Random, *, ending: str, codec: str, bit_rate: int) -> Path:
    return write_speech(target.with_name(target.name + ending), read_speech(source), codec, bit_rate)


def _telephone(source: Path, target: Path, _: random.Random) -> Path:
    """300 to 3400 Hz, 8000 samples per second, A-law."""
    from scipy.signal import butter, resample_poly, sosfiltfilt

    band = butter(4, _TELEPHONE, "bandpass", fs=RATE, output="sos")
    narrow = resample_poly(sosfiltfilt(band, read_speech(source)), 1, 2).astype(np.float32)
    return write_speech(target.with_name(f"{target.name}.wav"), narrow, "pcm_alaw", rate=RATE // 2)


def _noisy(source: Path, target: Path, chance: random.Random, *, below_db: float) -> Path:
    """White noise so far below the level of the speech."""
    heard = read_speech(source)
    noise = _generator(chance).normal(0, speech_level(source, heard) * 10 ** (-below_db / 20), len(heard))
    return _flac(target, heard + noise.astype(np.float32))


def _reverberant(source: Path, target: Path, chance: random.Random) -> Path:
    """A room: a tail of decaying noise that holds as much energy as the direct sound; the level stays."""
    from scipy.signal import fftconvolve

    heard = read_speech(source)
    time = np.arange(1, round(_DECAY * RATE)) / RATE
    tail = _generator(chance).normal(size=len(time)) * 10 ** (-3 * time / _DECAY)
    response = np.concatenate([[1.0], tail / np.sqrt(np.square(tail).sum())])
    wet = fftconvolve(heard, response)[: len(heard)]
    level = np.sqrt(np.square(heard).mean() / max(np.square(wet).mean(), 1e-12)) if len(heard) else 1.0
    return _flac(target, (wet * level).astype(np.float32))


def _resampled(source: Path, target: Path, _: random.Random, *, up: int, down: int) -> Path:
    from scipy.signal import resample_poly

    heard = read_speech(source)
    again = resample_poly(resample_poly(heard, up, down), down, up)[: len(heard)]
    return _flac(target, again.astype(np.float32))


def _louder(source: Path, target: Path, _: random.Random, *, gain_db: float) -> Path:
    """Louder or softer; what leaves the range is clipped."""
    return _flac(target, read_speech(source) * np.float32(10 ** (gain_db / 20)))


def _flac(target: Path, samples: Samples) -> Path:
    return write_speech(target.with_name(f"{target.name}.flac"), samples)


def _generator(chance: random.Random) -> np.random.Generator:
    return np.random.default_rng(chance.randrange(2**32))
