"""Stores of features that are damaged or lie."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from avsync.datasets.record import ClipRecord
from avsync.errors import Reason
from avsync.features.store import Features, FeatureStore
from avsync.features.writer import StoreWriter
from avsync.speech import SpeechActivity
from fuzzing import trees
from fuzzing.damage import damaged
from fuzzing.draw import Rng, pick

_RECORD = ClipRecord(Path("x"), "x", "real", "RealVideo-RealAudio", "real", "x", "x")
_KEYS = ("a" * 64, "b" * 64, "c" * 64)


class Stores:
    """Makes stores below a folder.

    Args:
        original: where the store that is copied is kept.
        folder: where copies are made.
    """

    def __init__(self, original: Path, folder: Path) -> None:
        self._original, self._folder = original, folder
        if not len(_open(original)):
            _fill(_open(original))

    def write(self, rng: Rng) -> str:
        """Copy the store, with one of its files damaged, deleted or lying."""
        copytree(self._original, self._folder / "store")
        files = sorted(path for path in (self._folder / "store").rglob("*") if path.is_file())
        path = pick(rng, files)
        if rng.random() < 0.05:
            path.unlink()
            return f"{path.suffix} deleted"
        if path.suffix == ".safetensors" and rng.random() < 0.6:
            return _lie(rng, path)
        data, said = damaged(rng, path.read_bytes(), files[0].read_bytes())
        path.write_bytes(data)
        return f"{path.suffix}: {said}"

    def read(self) -> dict[str, Any]:
        """Read everything, as scoring and training do."""
        store, chunks = _open(self._folder / "store"), 0
        for key in _KEYS:
            if key not in store:
                continue
            store.warnings(key)
            store.activity(key)
            if store.refusal(key):
                continue
            chunks += sum(len(features.speech_share[features.core]) > 0 for features in store.read(key))
            stored = store.longest(_RECORD, key)
            stored.read("lips")
        return {"outcome": "read", "detail": f"{len(store)} files, {chunks} chunks"}


def _open(folder: Path) -> FeatureStore:
    return FeatureStore(folder, "fuzz", "default", "dlib-68/2")


def _fill(store: FeatureStore) -> None:
    torch.manual_seed(0)
    spoken = SpeechActivity(segments=np.array([[0.0, 2.0]]), duration=2.0, leading_silence=0.0)
    with StoreWriter(store) as writer:
        for key, chunks in zip(_KEYS, (1, 2, 0), strict=True):
            for index in range(chunks):
                writer.add(
                    key,
                    Features(
                        track=0,
                        start=2.0 * index,
                        box=np.array([1.0, 2.0, 80.0, 90.0]),
                        landmarks=torch.rand(50, 68, 2),
                        lip_features=torch.rand(50, 8),
                        speech_features=torch.rand(50, 8),
                        speech_share=torch.rand(50),
                        core=slice(0, 50),
                    ),
                )
            writer.finish(key, spoken, ["a warning"], None if chunks else (Reason.NO_FACE, "no face"))
            writer.flush()


def _lie(rng: Rng, shard: Path) -> str:
    """Write a shard anew with lies in its header or in its arrays."""
    with safe_open(shard, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(shard)
    if rng.random() < 0.7 or not tensors:
        header, said = trees.lied(rng, json.loads(metadata["avsync"]))
        metadata["avsync"] = json.dumps(header)
    else:
        name = pick(rng, list(tensors))
        odd = pick(rng, (torch.zeros(0), torch.zeros(3, 3), torch.full_like(tensors[name], torch.nan), None))
        said = f"{name[-20:]} is {None if odd is None else tuple(odd.shape)}"
        tensors = {key: value for key, value in tensors.items() if key != name} | ({} if odd is None else {name: odd})
    shard.write_bytes(save(tensors, metadata))
    return said
