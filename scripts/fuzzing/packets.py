"""Copies a clip into another container with lies about time, lost packets and damaged payloads."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from fuzzing.draw import Rng, count, pick, spread

TARGETS = {"mkv": "matroska", "ts": "mpegts", "avi": "avi", "mp4": "mp4", "mov": "mov", "nut": "nut", "flv": "flv"}


@dataclass
class Item:
    """A packet to be written: number of its stream, its times (s), its bytes."""

    stream: int
    pts: float
    dts: float
    data: bytes
    key: bool


Change = Callable[[Rng, list[Item]], tuple[list[Item], str]]


def copied(rng: Rng, source: Path, target: Path, format: str) -> str:
    """Write a changed copy, and return in words what was done. Packets that the container refuses are left out."""
    with av.open(f"file:{source}") as clip:
        streams = [stream for stream in clip.streams if stream.type in ("video", "audio")]
        items = _read(clip, streams)
        words = []
        for _ in range(count(rng, 3)):
            items, said = pick(rng, _CHANGES)(rng, items)
            words.append(said)
        options = {"fflags": "+bitexact", "max_interleave_delta": "0"}
        with suppress(av.FFmpegError, ValueError), av.open(f"file:{target}", "w", format, options=options) as copy:
            _write(copy, [copy.add_stream_from_template(stream) for stream in streams], items)
    return ", ".join(words)


def _read(clip: Any, streams: list[Any]) -> list[Item]:
    numbers = {stream.index: number for number, stream in enumerate(streams)}
    return [
        Item(
            numbers[packet.stream.index],
            float((packet.pts if packet.pts is not None else packet.dts) * packet.time_base),
            float(packet.dts * packet.time_base),
            bytes(packet),
            packet.is_keyframe,
        )
        for packet in clip.demux(streams)
        if packet.dts is not None
    ]


def _write(copy: Any, streams: list[Any], items: list[Item]) -> None:
    copy.start_encoding()
    for item in items:
        packet, stream = av.Packet(item.data), streams[item.stream]
        packet.stream, packet.time_base, packet.is_keyframe = stream, stream.time_base, item.key
        with suppress(av.FFmpegError, ValueError, OverflowError):
            packet.pts, packet.dts = round(item.pts / stream.time_base), round(item.dts / stream.time_base)
            copy.mux_one(packet)


def _shift(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    """Everything after a moment, of one stream or of all, is earlier or later."""
    begin, seconds = int(rng.integers(len(items))), pick(rng, (-1, 1)) * spread(rng, 0.05, 1e6)
    stream = pick(rng, (None, 0, len(items) and items[-1].stream))
    for item in items[begin:]:
        if stream in (None, item.stream):
            item.pts, item.dts = item.pts + seconds, item.dts + seconds
    return items, f"times from packet {begin} on shifted by {seconds:.6g} s"


def _gaps(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    seconds, share, total = spread(rng, 1, 700), rng.uniform(0.01, 0.3), 0.0
    for item in items:
        total += seconds * (rng.random() < share)
        item.pts, item.dts = item.pts + total, item.dts + total
    return items, f"gaps of {seconds:.4g} s, {total:.6g} s in all"


def _jitter(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    seconds = spread(rng, 0.01, 100)
    for item in items:
        item.pts += float(rng.normal()) * seconds
    return items, f"times jitter by {seconds:.3g} s"


def _scale(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    factor = pick(rng, (0.0, -1.0, spread(rng, 1e-4, 1e4)))
    for item in items:
        item.pts, item.dts = item.pts * factor, item.dts * factor
    return items, f"times multiplied by {factor:.4g}"


def _lose(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    share = spread(rng, 0.005, 0.9)
    return [item for item in items if rng.random() > share] or items, f"{share:.1%} of packets lost"


def _shuffle(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    reach = spread(rng, 1, len(items))
    order = np.argsort(np.arange(len(items)) + rng.uniform(0, reach, len(items)))
    return [items[i] for i in order], f"packets shuffled within {reach:.0f}"


def _double(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    share = rng.uniform(0.01, 0.5)
    return [item for item in items for _ in range(1 + (rng.random() < share))], f"{share:.0%} of packets twice"


def _payload(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    share = spread(rng, 0.01, 1.0)
    for item in items:
        if item.data and rng.random() < share:
            data = bytearray(item.data)
            for _ in range(count(rng, 20)):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
            item.data = bytes(data[: int(rng.integers(len(data) + 1))] if rng.random() < 0.2 else data)
    return items, f"{share:.1%} of payloads damaged"


def _swap(rng: Rng, items: list[Item]) -> tuple[list[Item], str]:
    streams = 1 + max(item.stream for item in items)
    for item in items:
        if rng.random() < 0.1:
            item.stream = int(rng.integers(streams))
    return items, "a tenth of packets in any stream"


_CHANGES: tuple[Change, ...] = (
    *(_shift, _shift, _gaps, _jitter, _scale, _lose),
    *(_shuffle, _double, _payload, _payload, _swap),
)
