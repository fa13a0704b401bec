"""Chunks and features as plain data and arrays, to go from one process to another."""

from typing import Any

import numpy as np
import torch

from avsync.clip import SAMPLES, FaceClip
from avsync.engine import Answer, Arrays
from avsync.face import MOUTH_SIDE, PATCH_SIDE, Alignment
from avsync.features.chunks import Chunk
from avsync.features.shard import ARRAYS
from avsync.features.store import Features

# The complex numbers of the alignment travel as pairs of real ones.
_TURNS = ("turn", "shift", "mouth")


def pack_chunk(chunk: Chunk) -> Answer:
    """Plain data and arrays. The mouths are cropped here, because cropping takes time: workers do it side by side."""
    clip = chunk.clip
    turns = {name: getattr(clip.alignment, name).view(np.float64) for name in _TURNS}
    arrays = {
        "patches": clip.patches,
        "points": clip.points,
        "squares": clip.squares,
        "waveform": clip.waveform,
        "speech_share": clip.speech_share,
        "mouths": clip.mouths,
    }
    data = {"frames": len(clip), "track": clip.track, "start": float(clip.start)}
    return {**data, "core": [chunk.core.start, chunk.core.stop]}, {**arrays, **turns}


def unpack_chunk(data: dict[str, Any], arrays: Arrays) -> Chunk:
    """The chunk that was packed.

    Raises:
        ValueError, LookupError, TypeError: it is something else; a hostile file may have taken over the process that
            sent it.
    """
    frames, (start, stop) = data["frames"], data["core"]
    shapes = {
        "patches": (np.uint8, (frames, PATCH_SIDE, PATCH_SIDE)),
        "points": (np.float32, (frames, 68, 2)),
        "squares": (np.int64, (frames, 3)),
        "waveform": (np.float32, (frames * SAMPLES,)),
        "speech_share": (np.float32, (frames,)),
        "mouths": (np.uint8, (frames, MOUTH_SIDE, MOUTH_SIDE)),
        **dict.fromkeys(_TURNS, (np.float64, (frames, 2))),
    }
    for name, (kind, shape) in shapes.items():
        if arrays[name].dtype != kind or arrays[name].shape != shape:
            raise ValueError(name)
    if not 0 <= start < stop <= frames:
        raise ValueError("core")
    given = {name: arrays[name] for name in ("patches", "points", "squares", "waveform", "speech_share")}
    alignment = Alignment(*(np.ascontiguousarray(arrays[name]).view(np.complex128) for name in _TURNS))
    clip = FaceClip(int(data["track"]), float(data["start"]), alignment=alignment, **given)
    vars(clip)["mouths"] = arrays["mouths"]  # the cached property
    return Chunk(clip, slice(int(start), int(stop)))


def pack_features(features: Features) -> Answer:
    """Plain data and arrays; the types are kept."""
    arrays = {name: getattr(features, name).numpy() for name in ARRAYS.values()}
    core = [features.core.start, features.core.stop]
    data = {"track": features.track, "start": float(features.start), "box": features.box.tolist(), "core": core}
    return data, arrays


def unpack_features(data: dict[str, Any], arrays: Arrays) -> Features:
    """The features that were packed; Ray's arrays are copied, because they cannot be written to.

    Raises:
        ValueError, LookupError, TypeError: they are something else.
    """
    tensors = {name: torch.from_numpy(np.array(arrays[name])) for name in ARRAYS.values()}
    start, stop = data["core"]
    box = np.array(data["box"], np.float64).reshape(4)
    return Features(int(data["track"]), float(data["start"]), box, core=slice(int(start), int(stop)), **tensors)
