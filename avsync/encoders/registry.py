"""A backbone: an encoder of lips and an encoder of speech, named by one string on the command line and in configs.

`LIP_ROWS+SPEECH`, each `KIND[:SOURCE][@LAYER]`; one name for both where one network encodes both: `avhubert`,
`avhubert:large@12`, `resnet:runs/hubert_resnet/model.safetensors+ssl:facebook/hubert-base-ls960@9`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from avsync.clip import FaceClip
from avsync.encoders.interface import LipEncoder, SpeechEncoder
from avsync.errors import UsageError

KINDS = ("avhubert", "mouth", "resnet", "ssl", "temporal")
_FORM = "LIP_ROWS+SPEECH, each KIND[:SOURCE][@LAYER], such as avhubert or temporal"
_NEXT = re.compile(rf"\+(?=(?:{'|'.join(KINDS)})(?:[:@]|$))")
_PART = re.compile(rf"(?P<kind>{'|'.join(KINDS)})(?::(?P<source>.+?))?(?:@(?P<layer>\d{{1,3}}))?")


@dataclass(frozen=True)
class Spec:
    """One encoder: its kind, where its weights are, and which layer counts (from 1; None: its output)."""

    kind: str
    source: str | None
    layer: int | None


@dataclass(frozen=True)
class Backbone:
    """Two loaded encoders, and the string that names them."""

    name: str
    lips: LipEncoder
    speech: SpeechEncoder

    @property
    def key(self) -> str:
        """What the features depend on besides the clip."""
        return f"{self.lips.key}+{self.speech.key}"

    def encode(self, clips: Sequence[FaceClip]) -> list[tuple[Tensor, Tensor]]:
        """Features of lips [T, Dv] and of speech [T, Da] of each clip, on the CPU."""
        return list(zip(self.lips.lips(clips), self.speech.speech(clips), strict=True))


def parse(name: str) -> tuple[Spec, Spec]:
    """The encoders of lips and of speech.

    Raises:
        UsageError: it is no such string.
    """
    parts = [_PART.fullmatch(part) for part in _NEXT.split(name)]
    if len(parts) > 2 or None in parts:
        raise UsageError(f"'{name}': not a backbone; write {_FORM}")
    specs = [Spec(p["kind"], p["source"], int(p["layer"]) if p["layer"] else None) for p in parts if p]
    lips, speech = specs[0], specs[-1]
    if lips.kind == "ssl" or speech.kind in ("mouth", "resnet"):
        wrong, side = ("ssl", "lips") if lips.kind == "ssl" else (speech.kind, "speech")
        raise UsageError(f"'{name}': {wrong} does not encode {side}; write {_FORM}")
    return lips, speech


def best_device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_backbone(name: str) -> Backbone:
    """Load both encoders, on the GPU if there is one.

    Raises:
        UsageError: no such string, weights that are missing or of something else, or a package that is not installed.
    """
    device = best_device()
    lips, speech = parse(name)
    try:
        of_lips = _load(lips, device)
        return Backbone(name, of_lips, of_lips if speech == lips else _load(speech, device))
    except ModuleNotFoundError as error:
        raise UsageError(f"'{name}' needs the package '{error.name}': pip install 'avsync[ssl]'") from error


def _load(spec: Spec, device: torch.device) -> Any:
    if spec.layer is not None and spec.kind not in ("avhubert", "ssl"):
        raise UsageError(f"{spec.kind}@{spec.layer}: only avhubert and ssl have layers to choose from")
    match spec.kind:
        case "avhubert":
            from avsync.encoders.avhubert import load_avhubert

            return load_avhubert(spec.source, spec.layer, device)
        case "ssl":
            from avsync.encoders.speech_ssl import load_speech_ssl

            return load_speech_ssl(_source(spec), spec.layer, device)
        case "mouth":
            from avsync.encoders.avsync_encoders import MouthCrops

            return MouthCrops()
        case "resnet":
            from avsync.encoders.avsync_encoders import load_resnet

            return load_resnet(_source(spec), device)
    from avsync.encoders.avsync_encoders import load_temporal

    return load_temporal(spec.source, device)


def _source(spec: Spec) -> str:
    if spec.source is None:
        raise UsageError(f"{spec.kind}: say which, as in {spec.kind}:SOURCE")
    return spec.source
