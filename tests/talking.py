"""The demo's talking face, small, with its voice: made once for all tests, and written as files of any kind."""

from fractions import Fraction
from functools import cache

import av
import numpy as np
from PIL import Image

from avsync.datasets.roles import role
from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.media import FPS, RATE

SIDE = 192  # the face is 93 pixels wide


def resized(picture, side=SIDE):
    return np.asarray(Image.fromarray(picture).resize((side, side)))


@cache
def face(seconds=3.0, seed=0):
    """Grey pictures of a face that says `voice(seconds, seed)`: uint8 [25 seconds, 192, 192]."""
    said = speak(seconds, seed=seed)
    pictures = np.array([resized(picture[..., 1]) for picture in talk(said.opening, said.width, seed=seed)])
    pictures.setflags(write=False)
    return pictures


@cache
def voice(seconds=3.0, seed=0, take=0):
    """What the lips of `face` say, or with another `take` something else: float32 [16000 seconds]."""
    waveform = speak(seconds, seed=seed, take=take).waveform
    waveform.setflags(write=False)
    return waveform


def write(
    path,
    pictures,
    sound,
    *,
    fps=FPS,
    times=None,
    options=None,
    codec="aac",
    rate=RATE,
    layout="mono",
    sound_at=0.0,
    container=None,
):
    """Write grey pictures [T, H, W] and mono 16 kHz sound as a file, and return its path. None: without.

    `times` are those of the pictures (s), default: constant `fps`; the sound starts at `sound_at`.
    """
    exact = Fraction(fps).limit_denominator(1001)
    tick = 1 / exact if times is None else Fraction(1, 1000)
    packets = []
    with av.open(f"file:{path}", "w", options=container or {}) as file:
        video = None
        if pictures is not None:
            video = file.add_stream("libx264", rate=exact, options=options or {"preset": "ultrafast", "crf": "18"})
            video.height, video.width = pictures[0].shape
            video.pix_fmt, video.codec_context.time_base = "yuv420p", tick
        audio = file.add_stream(codec, rate=rate, layout=layout) if sound is not None else None
        for index, picture in enumerate(pictures if pictures is not None else ()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            frame.pts, frame.time_base = index if times is None else round(times[index] * 1000), tick
            packets += video.encode(frame)
        if video is not None:
            packets += video.encode(None)
        if audio is not None:
            packets += _encoded(audio, sound, rate, sound_at)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            file.mux(packet)
    return path


def _encoded(audio, sound, rate, at):
    layout = audio.codec_context.layout
    wanted = np.arange(round(len(sound) * rate / RATE)) * RATE / rate
    resampled = np.interp(wanted, np.arange(len(sound)), sound) if len(sound) else wanted
    samples = np.repeat(resampled[None], layout.nb_channels, axis=0)
    for done in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, done : done + 1024], np.float32)
        block = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout.name)
        block.sample_rate, block.time_base, block.pts = rate, Fraction(1, rate), round(at * rate) + done
        yield from audio.encode(block)
    yield from audio.encode(None)


def people(wanted, count):
    """Identities with that role."""
    return [name for name in (f"id{n:05}" for n in range(4 * count + 20)) if role(name) == wanted][:count]


def voxceleb(root, people):
    """A VoxCeleb2 tree with a clip of two seconds of each person; every clip says something else."""
    for seed, person in enumerate(people, 1):
        path = root / "dev" / "mp4" / person / "video" / "00001.mp4"
        path.parent.mkdir(parents=True)
        write(path, face(2.0, seed), voice(2.0, seed))
    return root
