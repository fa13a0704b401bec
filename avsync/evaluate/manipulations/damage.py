"""Files that a bad line or a damaged disk has changed; nothing is encoded again."""

import random
from pathlib import Path

import av
import numpy as np

from avsync.evaluate.manipulations.interface import Make, Source
from avsync.files import unfinished
from avsync.media.packets import read
from avsync.media.probe import audio_stream, open_media, video_stream


def as_it_is(source: Source, target: Path, _: random.Random) -> Path:
    """Copy the file."""
    whole = target.with_name(target.name + source.path.suffix)
    with unfinished(whole) as partial:
        partial.write_bytes(source.path.read_bytes())
    return whole


def lossy(share: float) -> Make:
    """Leave out a random share of the packets, but for the first two, without which nothing plays."""

    def make(source: Source, target: Path, chance: random.Random) -> Path:
        whole = target.with_name(f"{target.name}.mp4")
        with (
            open_media(source.path) as before,
            unfinished(whole) as partial,
            av.open(f"file:{partial}", "w", format="mp4") as after,
        ):
            kept = [stream for stream in (video_stream(before), audio_stream(before)) if stream is not None]
            streams = {stream.index: after.add_stream_from_template(stream) for stream in kept}
            packets = (packet for packet in read(before, *kept) if packet is not None and packet.dts is not None)
            for count, packet in enumerate(packets):
                if count < 2 or chance.random() >= share:
                    packet.stream = streams[packet.stream_index]
                    after.mux(packet)
        return whole

    return make


def flipped(share: float) -> Make:
    """Change a random share of the bytes of the packets; the headers are whole."""

    def make(source: Source, target: Path, chance: random.Random) -> Path:
        data = bytearray(source.path.read_bytes())
        with open_media(source.path) as container:
            for packet in container.demux():
                if packet.pos is None or not packet.size:
                    continue
                for _ in range(_poisson(chance, packet.size * share)):
                    data[packet.pos + chance.randrange(packet.size)] = chance.randrange(256)
        whole = target.with_name(target.name + source.path.suffix)
        with unfinished(whole) as partial:
            partial.write_bytes(data)
        return whole

    return make


def _poisson(chance: random.Random, mean: float) -> int:
    return int(np.random.default_rng(chance.randrange(2**32)).poisson(mean))
