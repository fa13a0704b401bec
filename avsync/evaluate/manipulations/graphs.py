"""Pictures and samples through filters of FFmpeg."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from avsync.media import RATE

Samples = NDArray[np.float32]  # mono, 16 kHz, in [-1, 1]
Chain = tuple[tuple[str, str], ...]  # filters of FFmpeg in their order, each with its arguments


def filtered_pictures(pictures: Iterable[av.VideoFrame], chain: Chain) -> Iterator[av.VideoFrame]:
    """Yield pictures that went through a chain, upright, as yuv420p with even sides.

    The first picture decides the size; pictures of another size, as in a stream that changes it, are left out.
    """
    graph: Graph | None = None
    kind: tuple[int, int, str] | None = None
    for picture in pictures:
        found = (picture.width, picture.height, picture.format.name)
        if graph is None:
            kind, graph = found, _picture_graph(picture, chain)
        if found != kind:
            continue
        graph.vpush(picture)
        yield from _pulled(graph)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph)


def filtered_samples(samples: Samples, chain: Chain) -> Samples:
    """Return samples that went through a chain. float32 [n] → [m], both at 16 kHz."""
    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="mono", time_base=Fraction(1, RATE))
    ends = (("aresample", str(RATE)), ("aformat", "sample_fmts=flt:channel_layouts=mono"))
    graph.link_nodes(source, *(graph.add(*one) for one in (*chain, *ends)), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    graph.push(frame)
    graph.push(None)
    pieces = [np.zeros(0, np.float32)]
    while True:
        try:
            pulled = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return np.concatenate(pieces)
        assert isinstance(pulled, av.AudioFrame)
        pieces.append(pulled.to_ndarray()[0])


def fitted(samples: Samples, length: int) -> Samples:
    """Return samples cut, or filled with zeros, to a length. float32 [n] → [length]."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _picture_graph(first: av.VideoFrame, chain: Chain) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=first.time_base)
    # A copy that is encoded anew loses the rotation in the header, which counts counter-clockwise.
    upright = (("transpose", "cclock"),) * (round(first.rotation / 90) % 4)
    ends = (("format", "yuv420p"), ("crop", "trunc(iw/2)*2:trunc(ih/2)*2:0:0"))
    steps = [graph.add(*one) for one in (*upright, *chain, *ends)]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
