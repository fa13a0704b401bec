"""Pack SIZE clips that are extracted already, and read them as a training does; print what each step takes as JSON.

    python packed.py FOLDER SIZE

Seconds, seconds of the processor, and peak memory of the process (bytes) so far. All clips have the features of one,
made up, of 50 frames.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from avsync.align.segments import draw_by_speaker
from avsync.align.temporal.config import AugmentConfig
from avsync.align.temporal.data import Geometry, Segments
from avsync.config import SegmentsConfig
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.features import Features, FeatureStore, StoreWriter
from avsync.features.packed import Making, pack, read_packed

_FRAMES, _PER_SPEAKER, _READ = 50, 10, 4000
_TENSORS = ("landmarks", "lip_features", "speech_features", "speech_share")
_taken: dict[str, tuple[float, float, float]] = {}


@contextmanager
def _step(name: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    _taken[name] = time.perf_counter() - wall, time.process_time() - processor, peak


def main() -> None:
    """Fill a store, pack it, read the index, and read the segments of an epoch, of at most 4000 clips."""
    folder, size = Path(sys.argv[1]), int(sys.argv[2])
    records = [_record(number) for number in range(size)]
    store, kept = _store(folder / "cache", records)
    making = Making("made up", "", store.backbone, store.faces, store.trim, store.whole)
    with _step("pack alone"):
        index = pack(records, kept, store, folder / "tar", making, shard_bytes=256 << 20, on_progress=lambda *_: None)
    last = len(index.shards) - 1
    with _step("read the index"):
        packed = read_packed(str(folder / "tar" / f"{{000000..{last:06d}}}.tar"))
    with _step("draw an epoch"):
        speakers = [clip.speaker for clip in packed.clips]
        order = draw_by_speaker(speakers, 4, SegmentsConfig().speaker_power, np.random.default_rng(0))[:_READ]
    geometry = Geometry.fit(packed.clips[:50], 16)
    segments = Segments([packed.clips[at] for at in order], geometry, _FRAMES, AugmentConfig().speed, (0, 0))
    with _step(f"read {len(segments)} segments"):
        for number in range(len(segments)):
            segments[number]
    print(json.dumps(_taken))


def _record(number: int) -> ClipRecord:
    speaker = f"p{number // _PER_SPEAKER}"
    name = f"{speaker}/{number}.mp4"
    return ClipRecord(Path(name), name, "real", REAL_TYPE, "real", speaker, speaker)


def _store(root: Path, records: list[ClipRecord]) -> tuple[FeatureStore, list[tuple[ClipRecord, str]]]:
    rng = np.random.default_rng(0)
    features = Features(
        track=0,
        start=0.0,
        box=np.zeros(4),
        landmarks=torch.from_numpy(rng.uniform(0, 200, (_FRAMES, 68, 2)).astype(np.float32)),
        lip_features=torch.from_numpy(rng.integers(0, 256, (_FRAMES, 96, 96), np.uint8)),
        speech_features=torch.from_numpy(rng.normal(size=(_FRAMES, 160)).astype(np.float32)),
        speech_share=torch.ones(_FRAMES),
        core=slice(0, _FRAMES),
    )
    store = FeatureStore(root, "mouth-1+mel-1", "default", "dlib-68/2", whole=True)
    with StoreWriter(store) as writer:
        for record in records:
            # A store refuses tensors that share memory.
            own = {name: getattr(features, name).clone() for name in _TENSORS}
            writer.add(record.name, replace(features, **own))
            writer.finish(record.name)
    return store, [(record, record.name) for record in records]


if __name__ == "__main__":
    main()
