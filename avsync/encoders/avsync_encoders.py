"""Encoders without foreign weights: avsync's own models, and the inputs they train on."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from avsync.align import ResNetAligner, TemporalAligner
from avsync.align.temporal.model import FEATURES
from avsync.checkpoint import EMBEDDED, load_checkpoint
from avsync.clip import FaceClip
from avsync.encoders.interface import Heard
from avsync.errors import UsageError
from avsync.face import MOUTH_SIDE
from avsync.speech import log_mel
from avsync.speech.filterbank import BANDS, STEPS_PER_FRAME


class MouthCrops:
    """The mouth crops themselves: the input of lip encoders in training."""

    dim = MOUTH_SIDE**2
    dtype = torch.uint8
    key = "mouth-1"

    def encode_lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Return uint8 [T, 96, 96] of each clip."""
        return [torch.from_numpy(clip.mouths) for clip in clips]


class MelBands:
    """Log mel, four steps of 10 ms per frame: the input of the default model's speech encoder."""

    dim = BANDS * STEPS_PER_FRAME
    dtype = torch.float32
    key = "mel-1"

    def encode_speech(self, clips: Sequence[Heard]) -> list[Tensor]:
        """Return float32 [T, 160] of each clip, `avsync.speech.log_mel` reshaped."""
        return [torch.from_numpy(log_mel(clip.waveform).reshape(-1, self.dim)) for clip in clips]


class TemporalEncoder:
    """Lip and speech features of the default model: to try a reading without other weights."""

    dim = FEATURES
    dtype = torch.float16

    def __init__(self, model: TemporalAligner, sha256: str) -> None:
        self._model, self.key = model, f"temporal-{sha256[:16]}"

    def encode_lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Return float32 [T, 96] of each clip."""
        return [self._model.encode_lips(clip.landmarks, clip.mouths, clip.speech_share) for clip in clips]

    def encode_speech(self, clips: Sequence[Heard]) -> list[Tensor]:
        """Return float32 [T, 96] of each clip."""
        return [self._model.encode_speech(log_mel(clip.waveform), clip.speech_share) for clip in clips]


class ResNetLips:
    """Lip features of a model trained by `avsync train configs/hubert_resnet.yaml`."""

    dtype = torch.float16

    def __init__(self, model: ResNetAligner, sha256: str) -> None:
        self._model, self.key, self.dim = model, f"resnet-{sha256[:16]}", model.config.features

    def encode_lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Return float32 [T, features] of each clip."""
        return [self._model.encode_lips(torch.from_numpy(clip.mouths)) for clip in clips]


def load_mouth(_source: None, _layer: None, _device: torch.device) -> MouthCrops:
    """Mouth crops; nothing is loaded."""
    return MouthCrops()


def load_mel(_source: None, _layer: None, _device: torch.device) -> MelBands:
    """Log mel; nothing is loaded."""
    return MelBands()


def load_resnet(source: str, _layer: None, device: torch.device) -> ResNetLips:
    """Load the lip encoder of a checkpoint.

    Raises:
        UsageError: the checkpoint cannot be used.
    """
    checkpoint = load_checkpoint(Path(source))
    if not isinstance(checkpoint.model, ResNetAligner):
        raise UsageError(f"{source}: not a resnet model; name one trained with configs/hubert_resnet.yaml")
    return ResNetLips(checkpoint.model.to(device), checkpoint.sha256)


def load_temporal(source: str | None, _layer: None, device: torch.device) -> TemporalEncoder:
    """Load the encoders of a checkpoint of the default model; None is the embedded one.

    Raises:
        UsageError: the checkpoint cannot be used.
    """
    path = Path(source) if source else EMBEDDED
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint.model, TemporalAligner):
        raise UsageError(f"{path}: not a temporal model; name one trained with configs/default.yaml")
    return TemporalEncoder(checkpoint.model.to(device), checkpoint.sha256)
