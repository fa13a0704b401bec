"""Load a network that rebuilds faces from its checkpoint."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from avsync.checkpoint import load_checkpoint
from avsync.errors import UsageError
from avsync.reconstruct.autoencoder.model import AutoencoderModel
from avsync.reconstruct.face.interface import FaceFootage, Pictures, RebuildFace


def load_autoencoder(source: str, device: str) -> RebuildFace:
    """The function that rebuilds faces by a checkpoint of `avsync train configs/face_autoencoder.yaml`.

    Args:
        source: the checkpoint; `FILE@SPEAKER` decodes with that speaker's own decoder. Without a speaker, or for one
            that has none, the decoder that people share is used.
        device: where it runs, as torch names it.

    Raises:
        UsageError: it is missing, damaged or of another kind.
    """
    path, speaker = _parted(source)
    model = _loaded(path, path.stat().st_mtime_ns if path.exists() else 0, device)

    def rebuild(footage: FaceFootage, _rng: np.random.Generator) -> Pictures:
        return model.rebuild(footage, speaker)

    return rebuild


@lru_cache(maxsize=4)  # trainings ask for the same few networks with every pair
def _loaded(path: Path, _changed: int, device: str) -> AutoencoderModel:
    model = load_checkpoint(path).model
    if not isinstance(model, AutoencoderModel):
        raise UsageError(f"{path}: rebuilds no faces; name a model of avsync train configs/face_autoencoder.yaml")
    return model.to(device)


def _parted(source: str) -> tuple[Path, str]:
    """The file and the speaker; a file whose own name has an @ is that file."""
    file, at, speaker = source.rpartition("@")
    if not at or Path(source).exists():
        return Path(source), ""
    return Path(file), speaker
