"""Clips with odd rates, sizes, channels, pixel formats, codecs and rotations."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fuzzing.clips import KINDS, Kind, face, resized, voice, write
from fuzzing.draw import Rng, pick, spread
from fuzzing.scenes import Pictures, scene

_RATES = (8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
_LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "7.1", "downmix")
_PIXELS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray", "gray10le", "rgb24", "bgr0", "yuva420p", "pal8")
_VIDEO = ("libx264", "mpeg4", "ffv1", "mjpeg", "libvpx", "libvpx-vp9", "mpeg2video", "rawvideo", "png", "libx265")
_AUDIO = ("aac", "flac", "libopus", "libmp3lame", "pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_f64le", "ac3", "alac")
_CONTAINERS = ("mp4", "mkv", "mov", "avi", "nut", "ts", "webm", "fragmented.mp4")
_CORNERS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def encoded(rng: Rng, folder: Path) -> tuple[Path, str]:
    """Write a clip of an odd kind, and return its path and in words what is odd. What no codec takes is drawn again."""
    for _ in range(20):
        name = pick(rng, _CONTAINERS)
        kind, pictures, said = _drawn(rng, KINDS[name])
        path = folder / f"input.{name}"
        with suppress(av.FFmpegError, ValueError, OverflowError, IndexError):
            write(path, kind, pictures, _sound(rng))
            return path, f"{name}: {said}"
    raise RuntimeError("no kind of clip that can be written was drawn")


def _drawn(rng: Rng, kind: Kind) -> tuple[Kind, Pictures, str]:
    pictures = [resized(picture, kind.side) for picture in face()]
    words = []
    for what in rng.permutation(6)[: int(rng.integers(1, 4))]:
        match int(what):
            case 0:
                fps = pick(rng, (spread(rng, 0.05, 20), spread(rng, 20, 1000), 30_000 / 1001))
                kind = replace(kind, fps=Fraction(fps).limit_denominator(1001))
                words.append(f"{fps:.4g} frames/s")
            case 1:
                wide, high = (2 * max(1, int(spread(rng, 1, 600) / 2)) for _ in range(2))
                pictures = [resized(picture, wide, high) for picture in face()]
                words.append(f"{wide}x{high} pixels")
            case 2:
                kind = replace(kind, rate=pick(rng, _RATES), layout=pick(rng, _LAYOUTS), audio=pick(rng, _AUDIO))
                words.append(f"{kind.audio} {kind.rate} Hz {kind.layout}")
            case 3:
                kind = replace(kind, video=pick(rng, _VIDEO), pixels=pick(rng, _PIXELS))
                words.append(f"{kind.video} {kind.pixels}")
            case 4:
                pictures, said = scene(rng)
                words.append(said)
            case _:
                kind = replace(kind, codec_options=(("g", "300"), ("bf", "3")))
                words.append("one key frame")
    return kind, pictures, ", ".join(words)


def _sound(rng: Rng) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    sound = voice().copy()
    match int(rng.integers(6)):
        case 0:
            sound *= np.float32(spread(rng, 1e-6, 1e6))
        case 1:
            sound[rng.integers(len(sound), size=100)] = pick(rng, (np.nan, np.inf, -np.inf))
        case 2:
            sound = np.tile(sound, 2) if rng.random() < 0.5 else sound[: int(rng.integers(len(sound)))]
        case _:
            pass
    return sound


def shown(rng: Rng, folder: Path) -> tuple[Path, str]:
    """Write a clip of a hard scene, and return its path and in words what it shows."""
    pictures, said = scene(rng)
    path = folder / "input.mp4"
    write(path, KINDS["mp4"], pictures, voice())
    return path, said


def turned(rng: Rng, data: bytes) -> tuple[bytes, str]:
    """An MP4 with another display matrix: a right angle, or anything."""
    at = data.index(b"tkhd") + 4
    at += 52 if data[at] else 40
    angle = pick(rng, (*_CORNERS, None))
    if angle is None:
        return data[:at] + rng.bytes(36) + data[at + 36 :], "a random display matrix"
    a, b, c, d = (corner << 16 for corner in _CORNERS[angle])
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return data[:at] + b"".join(v.to_bytes(4, "big", signed=True) for v in matrix) + data[at + 36 :], f"turned {angle}°"
