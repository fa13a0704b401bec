"""AV-HuBERT as an encoder of lips and of speech."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avsync.clip import FaceClip
from avsync.encoders.avhubert.checkpoint import read_config, read_model
from avsync.encoders.avhubert.model import AVHuBERT
from avsync.encoders.avhubert.preprocess import hear, see
from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.weights import find
from avsync.weights.catalogue import AVHUBERT

# To be raised when the same clip gives other features.
_VERSION = 1


class AVHuBERTEncoder:
    """Features of lips from video alone and of speech from audio alone, in one space.

    Attributes:
        dim: D, features per frame.
    """

    def __init__(self, model: AVHuBERT, weights: Path, layer: int | None, device: torch.device) -> None:
        """`model` was read from `weights`; `layer` as in `Transformer`."""
        self.dim = model.config.width
        self._model, self._weights, self._layer, self._device = model.to(device), weights, layer, device

    @cached_property
    def key(self) -> str:
        """Weights, layer, and version of all the rest."""
        return f"avhubert:{sha256_of(self._weights)[:16]}@{self._layer or 'last'}/{_VERSION}"

    def lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip of T frames, float32 [T, D] on the CPU."""
        with self._inference():
            return self._in_context([self._see(clip) for clip in clips])

    def speech(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip of T frames, float32 [T, D] on the CPU."""
        with self._inference():
            return self._in_context([self._hear(clip) for clip in clips])

    def _see(self, clip: FaceClip) -> Tensor:
        """What the transformer gets for the lips: float32 [T, D]."""
        seen = self._model.resnet(self._tensor(see(clip.mouths)))
        return self._model.fuse(seen=seen[None])[0]

    def _hear(self, clip: FaceClip) -> Tensor:
        """What the transformer gets for the speech: float32 [T, D]."""
        return self._model.fuse(audio=self._tensor(hear(clip.waveform))[None])[0]

    def _in_context(self, met: list[Tensor]) -> list[Tensor]:
        """Run the transformer on a batch of [T, D], T of each its own."""
        lengths = torch.tensor([len(one) for one in met], device=self._device)
        padding = torch.arange(int(lengths.max()), device=self._device) >= lengths[:, None]
        batch = pad_sequence(met, batch_first=True).float()  # sums over many layers are not for bfloat16
        features = self._model.encoder(batch, padding if padding.any() else None, self._layer).float().cpu()
        return [one[: len(own)] for one, own in zip(features, met, strict=True)]

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, self._device.type == "cuda"):
            yield


def load_avhubert(source: str | None, layer: int | None, device: torch.device) -> AVHuBERTEncoder:
    """Load a converted AV-HuBERT.

    Args:
        source: what `avsync.weights.find` takes: a path, the name of a file in the folder of weights, or None.
        layer: whose output is given, from 1; None: the last, and the LayerNorm after it.
        device: where it runs; on a GPU in bfloat16.

    Raises:
        UsageError: no such weights, damaged ones, or no such layer.
    """
    path = find(source, AVHUBERT)
    layers = read_config(path).layers
    if layer is not None and not 1 <= layer <= layers:
        raise UsageError(f"layer {layer}: the AV-HuBERT in {path.name} has layers 1 to {layers}")
    return AVHuBERTEncoder(read_model(path), path, layer, device)
