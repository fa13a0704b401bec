"""Encoders made of avsync's own models."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from avsync.align import EMBEDDED, TemporalAligner, load_checkpoint
from avsync.align.resnet import ResNetAligner
from avsync.align.temporal.model import FEATURES
from avsync.clip import FaceClip
from avsync.errors import UsageError
from avsync.face import MOUTH_SIDE
from avsync.speech import log_mel


class MouthCrops:
    """The mouth crops themselves, uint8 [T, 96, 96]: what a lip encoder is trained on."""

    dim = MOUTH_SIDE**2
    key = "mouth-1"

    def lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """uint8 [T, 96, 96] of each clip."""
        return [torch.from_numpy(clip.mouths) for clip in clips]


class TemporalEncoder:
    """Both features, float32 [T, 96], of the default model: to try a reading without other weights."""

    dim = FEATURES

    def __init__(self, model: TemporalAligner, sha256: str) -> None:
        self._model, self.key = model, f"temporal-{sha256[:16]}"

    def lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip, float32 [T, 96]."""
        return [self._model.see(clip.landmarks, clip.mouths, clip.speech) for clip in clips]

    def speech(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip, float32 [T, 96]."""
        return [self._model.hear(log_mel(clip.waveform), clip.speech) for clip in clips]


class ResNetLips:
    """Lip features, float32 [T, features], of a model of `avsync train configs/hubert_resnet.yaml`."""

    def __init__(self, model: ResNetAligner, sha256: str) -> None:
        self._model, self.key, self.dim = model, f"resnet-{sha256[:16]}", model.config.features

    def lips(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip, float32 [T, features]."""
        return [self._model.see(torch.from_numpy(clip.mouths)) for clip in clips]


def load_resnet(source: str, device: torch.device) -> ResNetLips:
    """The lip encoder of a checkpoint.

    Raises:
        UsageError: the checkpoint cannot be used.
    """
    checkpoint = load_checkpoint(Path(source))
    if not isinstance(checkpoint.model, ResNetAligner):
        raise UsageError(f"{source}: a model of another kind than resnet")
    return ResNetLips(checkpoint.model.to(device), checkpoint.sha256)


def load_temporal(source: str | None, device: torch.device) -> TemporalEncoder:
    """The encoders of a checkpoint of `avsync train configs/default.yaml`; None is the embedded one.

    Raises:
        UsageError: the checkpoint cannot be used.
    """
    path = Path(source) if source else EMBEDDED
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint.model, TemporalAligner):
        raise UsageError(f"{path}: a model of another kind than temporal")
    return TemporalEncoder(checkpoint.model.to(device), checkpoint.sha256)
