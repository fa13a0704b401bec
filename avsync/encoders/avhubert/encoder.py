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
from avsync.encoders.avhubert.preprocess import lip_input, speech_input
from avsync.encoders.interface import Heard
from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.weights import find
from avsync.weights.catalogue import AVHUBERT

# Part of the key. Raise it when the features of the same clip change.
_VERSION = 1


class AVHuBERTEncoder:
    """Features of lips from video alone and of speech from audio alone, in one space.

    Args:
        model: the network.
        weights: the file it was read from.
        layer: the layer to read, as in `Transformer`.
        device: where to run it; on a GPU in bfloat16.

    Attributes:
        dim: D, values per frame.
    """

    dtype = torch.float16

    def __init__(self, model: AVHuBERT, weights: Path, layer: int | None, device: torch.device) -> None:
        self.dim = model.config.width
        self._model, self._weights, self._layer, self._device = model.to(device), weights, layer, device

    @cached_property
    def key(self) -> str:
        """Identifies the weights, the layer, and the version of this code."""
        return f"avhubert:{sha256_of(self._weights)[:16]}@{self._layer or 'last'}/{_VERSION}"

    def encode_lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Return float32 [T, D] on the CPU for each clip of T frames."""
        with self._inference():
            return self._transformed([self._lips(clip) for clip in clips])

    def encode_speech(self, clips: Sequence[Heard]) -> list[Tensor]:
        """Return float32 [T, D] on the CPU for each clip of T frames."""
        with self._inference():
            return self._transformed([self._speech(clip) for clip in clips])

    def _lips(self, clip: FaceClip) -> Tensor:
        """The transformer's input for lips alone: float32 [T, D]."""
        video = self._model.resnet(self._tensor(lip_input(clip.mouths)))
        return self._model.fuse(video=video[None])[0]

    def _speech(self, clip: Heard) -> Tensor:
        """The transformer's input for speech alone: float32 [T, D]."""
        return self._model.fuse(audio=self._tensor(speech_input(clip.waveform))[None])[0]

    def _transformed(self, inputs: list[Tensor]) -> list[Tensor]:
        """Run the transformer on a batch of [T, D] with different T."""
        lengths = torch.tensor([len(one) for one in inputs], device=self._device)
        padding = torch.arange(int(lengths.max()), device=self._device) >= lengths[:, None]
        batch = pad_sequence(inputs, batch_first=True).float()  # bfloat16 is too coarse for sums over many layers
        features = self._model.encoder(batch, padding if padding.any() else None, self._layer).float().cpu()
        return [of_clip[: len(one)] for of_clip, one in zip(features, inputs, strict=True)]

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, self._device.type == "cuda"):
            yield


def load_avhubert(source: str | None, layer: int | None, device: torch.device) -> AVHuBERTEncoder:
    """Load a converted AV-HuBERT.

    Args:
        source: a path, the name of a file in the folder of weights, or None (`avsync.weights.find`).
        layer: the layer to read, from 1; None: the output after the last LayerNorm.
        device: where to run it; on a GPU in bfloat16.

    Raises:
        UsageError: no such weights, damaged weights, or no such layer.
    """
    path = find(source, AVHUBERT)
    layers = read_config(path).layers
    if layer is not None and not 1 <= layer <= layers:
        raise UsageError(f"layer {layer}: the AV-HuBERT in {path.name} has layers 1 to {layers}")
    return AVHuBERTEncoder(read_model(path), path, layer, device)
