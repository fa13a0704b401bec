"""The second stage of extraction: chunks that were decoded are encoded, in this process or by an engine."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import torch

from avsync.encoders.registry import Backbone, choose_device, load_backbone
from avsync.engine import LIMITS, Answer, Arrays, End, Engine, Held, Job, Pool, Task, Telling, Work
from avsync.errors import CannotJudge, Reason
from avsync.features.decode import Decoded, Finished
from avsync.features.encode import as_kept, encode_chunks
from avsync.features.parcels import pack_features, unpack_chunk, unpack_features
from avsync.features.store import Features
from avsync.media import FPS

# Frames that are encoded together on a GPU; on a CPU, clips one by one are as fast.
_GPU_BATCH = 200 * FPS
_NOT_OURS = (ValueError, LookupError, TypeError)


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of a clip that was not done, and why; another run tries it again."""

    refusal: CannotJudge


# What is known of a clip, with its key: a chunk, or its end.
Item: TypeAlias = tuple[str, Decoded | Finished | Failed]
Made: TypeAlias = tuple[str, Features | Finished | Failed]
# Encodes chunks. Features come in the order of the chunks, in the types that the store keeps.
Encode = Callable[[Iterator[Item]], Iterator[Made]]


def encode_here(backbone: Backbone) -> Encode:
    """Encodes in this process: on a GPU, chunks of several clips together."""

    def encode(items: Iterator[Item]) -> Iterator[Made]:
        for batch in _batches(items, backbone.device):
            yield from _encoded(batch, backbone)

    return encode


def encode_away(name: str, device: str | None, engine: Engine, workers: int) -> Encode:
    """Encodes in processes of an engine, each with a GPU if `device` is one; `name`: of the backbone."""
    gpus = 1.0 if str(device).startswith("cuda") else 0.0
    task = Task(partial(_make_encoder, name, device), LIMITS, _read, gpus)

    def encode(items: Iterator[Item]) -> Iterator[Made]:
        with Pool(engine, task, workers, at_once=True) as pool:
            pool.facts.result()  # before decoding takes all the room that a cluster has
            yield from _in_order(items, pool)

    return encode


def _batches(items: Iterator[Item], device: torch.device) -> Iterator[list[Item]]:
    """Items in lists that are encoded together."""
    enough = _GPU_BATCH if device.type == "cuda" else 1
    waiting, frames = list[Item](), 0
    for item in items:
        waiting.append(item)
        frames += item[1].frames if isinstance(item[1], Decoded) else 0
        if not 0 < frames < enough:
            yield waiting
            waiting, frames = [], 0
    yield waiting


def _encoded(batch: list[Item], backbone: Backbone) -> Iterator[Made]:
    chunks = {}
    for number, (_, part) in enumerate(batch):
        if isinstance(part, Decoded):
            try:
                chunks[number] = unpack_chunk(part.data, part.arrays.get())
            except _NOT_OURS:
                batch[number] = (batch[number][0], Failed(_no_chunk()))
    features = dict(zip(chunks, encode_chunks(list(chunks.values()), backbone), strict=True))
    for number, (key, part) in enumerate(batch):
        yield key, as_kept(features[number], backbone) if isinstance(part, Decoded) else part


def _in_order(items: Iterator[Item], pool: Pool) -> Iterator[Made]:
    """Have chunks encoded side by side, and yield all in the order of `items`."""
    numbers, due, at_work = count(), 0, 0
    keys: dict[int, str] = {}
    ready: dict[int, Made] = {}
    ended = False

    def next_job() -> Job | None:
        """The next chunk. Ends of clips wait in `ready`; if nothing else is at work, they are yielded first."""
        nonlocal at_work, ended
        for key, part in items:
            number = next(numbers)
            if isinstance(part, Decoded):
                keys[number] = key
                at_work += 1
                return Job(part.data, arrays=part.arrays, place=number)
            ready[number] = (key, part)
            if not at_work:
                return None
        ended = True
        return None

    while not ended:
        for event in pool.run(next_job):
            number = event.job.place
            if isinstance(event, End):
                at_work -= 1
                key = keys.pop(number)
                if event.refusal is not None:
                    ready[number] = (key, Failed(event.refusal))
            else:
                ready[number] = (keys[number], event.value)
            while due in ready and due not in keys:
                yield ready.pop(due)
                due += 1
        while due in ready:
            yield ready.pop(due)
            due += 1


def _make_encoder(name: str, device: str | None) -> Work:
    """Runs in the worker."""
    backbone = load_backbone(name, choose_device(device))

    def work(given: tuple[dict[str, Any], Arrays], _tell: Telling) -> Generator[Answer, None, None]:
        try:
            chunk = unpack_chunk(*given)
        except _NOT_OURS as error:
            raise _no_chunk() from error
        (features,) = encode_chunks([chunk], backbone)
        yield pack_features(as_kept(features, backbone))

    return work


def _read(data: dict[str, Any], arrays: Held) -> Features:
    return unpack_features(data, arrays.get())


def _no_chunk() -> CannotJudge:
    return CannotJudge(Reason.CRASHED, "the worker process sent something that is no chunk")
