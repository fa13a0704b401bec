"""Ways to make a clip worse: what the web, a bad line or a damaged disk does to a recording."""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from avsync.media import FPS, RATE, Sound, frames, write_clip
from avsync.speech import speech_activity

Degrade = Callable[[Path, Path, random.Random], None]  # from a clip to a worse one, an MP4 file

_RATES = (25, 15, 12, 10, 8, 5, 2, 1)
_LOSSES = (0.001, 0.01, 0.05, 0.1, 0.2)
_FLIPS = (1e-4, 1e-3)
_FROZEN = (0.5, 1.0, 2.0)


def steps(only: str | None = None) -> Iterator[tuple[str, Degrade]]:
    """Yield the name of each step and what it does to a clip; `only`: beginnings of names, joined by commas."""
    found: dict[str, Degrade] = {
        "as it is": _copy,
        "x264 crf 38": partial(_pictures_again, crf=38),
        "half size": partial(_pictures_again, crf=20, shrink=2),
        "MP3 32 kbps": partial(_sound_again, codec="libmp3lame", bit_rate=32_000),
        "noise 10 dB": partial(_sound_again, codec="aac", bit_rate=128_000, noise_db=10),
    }
    found |= {f"frame rate {rate}": partial(_thinned, rate=rate, repeated=False) for rate in _RATES}
    found |= {f"repeated pictures {rate}": partial(_thinned, rate=rate, repeated=True) for rate in _RATES[1:]}
    found |= {f"packet loss {loss:.1%}": partial(_lossy, loss=loss) for loss in _LOSSES}
    found |= {f"flipped bytes {flips:g}": partial(_flipped, flips=flips) for flips in _FLIPS}
    found |= {f"frozen {seconds} s": partial(_frozen, seconds=seconds) for seconds in _FROZEN}
    wanted = tuple((only or "").split(","))
    yield from ((name, degrade) for name, degrade in found.items() if name.startswith(wanted))


def _copy(source: Path, target: Path, _: random.Random) -> None:
    target.write_bytes(source.read_bytes())


def _pictures_again(source: Path, target: Path, _: random.Random, *, crf: int, shrink: int = 1) -> None:
    """Encode the pictures again, each side divided by `shrink`; copy the sound."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        shown = before.streams.video[0]
        video = after.add_stream("libx264", rate=shown.average_rate, options={"crf": str(crf)})
        video.width, video.height = (side // (2 * shrink) * 2 for side in (shown.width, shown.height))
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = shown.time_base or Fraction(1, 90_000)
        _copy_packets(before, after, "audio")
        before.seek(0)
        for picture in before.decode(shown):
            again = picture.reformat(video.width, video.height, "yuv420p", interpolation="AREA")
            again.pict_type = av.video.frame.PictureType.NONE  # else I pictures stay I pictures
            after.mux(video.encode(again))
        after.mux(video.encode(None))


def _sound_again(
    source: Path, target: Path, chance: random.Random, *, codec: str, bit_rate: int, noise_db: float | None = None
) -> None:
    """Encode the sound again at 16 kHz, with white noise so far below the speech; copy the pictures."""
    heard = np.concatenate(list(Sound(source).blocks()))
    if noise_db is not None:
        noise = np.random.default_rng(chance.randrange(2**32)).normal(0, 10 ** (-noise_db / 20), len(heard))
        heard += (noise * speech_level(source, heard)).astype(np.float32)
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        voice = after.add_stream(codec, rate=RATE, layout="mono")
        assert isinstance(voice, av.AudioStream)
        voice.bit_rate = bit_rate
        _copy_packets(before, after, "video")
        samples = av.AudioFrame.from_ndarray(heard[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts = RATE, round((before.start_time or 0) / av.time_base * RATE)
        after.mux(voice.encode(samples))
        after.mux(voice.encode(None))


def speech_level(path: Path, heard: NDArray[np.float32]) -> float:
    """The root mean square of the samples with speech; of all samples, if there is no speech."""
    segments = (speech_activity(Sound(path)).segments * RATE).round().astype(int)
    speech = [heard[begin:end] for begin, end in segments]
    return float(np.sqrt(np.square(np.concatenate(speech or [heard])).mean()))


def _copy_packets(before: InputContainer, after: OutputContainer, kind: str) -> None:
    stream = next(stream for stream in before.streams if stream.type == kind)
    copy = after.add_stream_from_template(stream)
    for packet in before.demux(stream):
        if packet.dts is not None:
            packet.stream = copy
            after.mux(packet)


def _thinned(source: Path, target: Path, _: random.Random, *, rate: int, repeated: bool) -> None:
    """Write a clip with `rate` pictures per second; `repeated`: at 25 per second, each shown until the next is due."""
    pictures, sound = _read(source)
    due = np.floor(np.arange(0, len(pictures), FPS / rate)).astype(int)
    if repeated:
        due = due[np.searchsorted(due, np.arange(len(pictures)), side="right") - 1]
    write_clip(target, [pictures[index] for index in due], sound, fps=FPS if repeated else rate)


def _frozen(source: Path, target: Path, chance: random.Random, *, seconds: float) -> None:
    """Write a clip in which one picture stands still for some seconds."""
    pictures, sound = _read(source)
    count = min(round(seconds * FPS), len(pictures) - 1)
    first = chance.randrange(len(pictures) - count)
    pictures[first : first + count] = [pictures[first]] * count
    write_clip(target, pictures, sound)


def _lossy(source: Path, target: Path, chance: random.Random, *, loss: float) -> None:
    """Copy the packets of a clip but for a random share of them; the first two stay, as without them nothing plays."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        kept = [stream for stream in before.streams if stream.type in ("video", "audio")]
        streams = {stream.index: after.add_stream_from_template(stream) for stream in kept}
        packets = (packet for packet in before.demux(kept) if packet.dts is not None)
        for count, packet in enumerate(packets):
            if count < 2 or chance.random() >= loss:
                packet.stream = streams[packet.stream_index]
                after.mux(packet)


def _flipped(source: Path, target: Path, chance: random.Random, *, flips: float) -> None:
    """Change a random share of the bytes of the packets of an MP4 file."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux():
            if packet.pos is None or not packet.size:
                continue
            for _ in range(_poisson(chance, packet.size * flips)):
                data[packet.pos + chance.randrange(packet.size)] = chance.randrange(256)
    target.write_bytes(data)


def _poisson(chance: random.Random, mean: float) -> int:
    return int(np.random.default_rng(chance.randrange(2**32)).poisson(mean))


def _read(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """The pictures of a clip at 25 per second, with even sides, and the sound from the first one on."""
    shown = list(frames(path))
    height, width = (side // 2 * 2 for side in shown[0].image.shape)
    begin = round(shown[0].time * RATE)
    sound = Sound(path).reader().read(begin, begin + len(shown) * RATE // FPS)
    return [frame.image[:height, :width] for frame in shown], sound
