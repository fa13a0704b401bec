"""Backbones: an encoder of lips and an encoder of speech, named by one string on the command line and in configs.

`LIPS+SPEECH`, each `KIND[:SOURCE][@LAYER]`. One name stands for both if one network encodes both: `avhubert`,
`avhubert:large@12`, `resnet:runs/hubert_resnet/model.safetensors+ssl:facebook/hubert-base-ls960@9`.

To add an encoder, write a file with a loader and add a line to `KINDS`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

from avsync.clip import FaceClip
from avsync.encoders.interface import LipEncoder, SpeechEncoder
from avsync.errors import UsageError

Side = Literal["lips", "speech"]


@dataclass(frozen=True)
class Kind:
    """A kind of encoder.

    Attributes:
        loader: "module:function", imported on first use. The function takes `source: str | None`, `layer: int | None`
            and `device: torch.device`, and returns an encoder (`avsync.encoders.interface`).
        sides: whether it encodes lips, speech, or both.
        source: whether a source of weights must be named, may be named, or does not exist.
        layers: whether a layer can be chosen.
    """

    loader: str
    sides: tuple[Side, ...] = ("lips", "speech")
    source: Literal["required", "optional", "none"] = "optional"
    layers: bool = False


_OWN = "avsync.encoders.avsync_encoders"
KINDS: dict[str, Kind] = {
    "avhubert": Kind("avsync.encoders.avhubert:load_avhubert", layers=True),
    "mel": Kind(f"{_OWN}:load_mel", sides=("speech",), source="none"),
    "mouth": Kind(f"{_OWN}:load_mouth", sides=("lips",), source="none"),
    "resnet": Kind(f"{_OWN}:load_resnet", sides=("lips",), source="required"),
    "ssl": Kind("avsync.encoders.speech_ssl:load_speech_ssl", sides=("speech",), source="required", layers=True),
    "temporal": Kind(f"{_OWN}:load_temporal"),
}

_FORM = "LIPS+SPEECH, each KIND[:SOURCE][@LAYER], such as avhubert or temporal"


@dataclass(frozen=True)
class Spec:
    """The name of one encoder, taken apart.

    Attributes:
        kind: a key of `KINDS`.
        source: where its weights are; None: the default of its kind.
        layer: the layer to read, from 1; None: the output.
    """

    kind: str
    source: str | None
    layer: int | None


@dataclass(frozen=True)
class Backbone:
    """Two loaded encoders, the string that names them, and where they run."""

    name: str
    lips: LipEncoder
    speech: SpeechEncoder
    device: torch.device

    @property
    def key(self) -> str:
        """Identifies everything the features depend on besides the clip."""
        return f"{self.lips.key}+{self.speech.key}"

    def encode(self, clips: Sequence[FaceClip]) -> list[tuple[Tensor, Tensor]]:
        """Return the features of lips [T, Dv] and of speech [T, Da] of each clip, on the CPU."""
        return list(zip(self.lips.encode_lips(clips), self.speech.encode_speech(clips), strict=True))


def parse(name: str) -> tuple[Spec, Spec]:
    """Return the encoders of lips and of speech that a backbone's name stands for.

    Raises:
        UsageError: not such a name, or a side, source or layer that a kind does not have.
    """
    kinds = "|".join(map(re.escape, KINDS))
    form = re.compile(rf"(?P<kind>{kinds})(?::(?P<source>.+?))?(?:@(?P<layer>\d{{1,3}}))?")
    parts = [form.fullmatch(part) for part in re.split(rf"\+(?=(?:{kinds})(?:[:@]|$))", name)]
    if len(parts) > 2 or None in parts:
        raise UsageError(f"'{name}': not a backbone; write {_FORM}; kinds: {', '.join(KINDS)}")
    specs = [Spec(p["kind"], p["source"], int(p["layer"]) if p["layer"] else None) for p in parts if p]
    lips, speech = specs[0], specs[-1]
    _check(name, lips, "lips")
    _check(name, speech, "speech")
    return lips, speech


def _check(name: str, spec: Spec, side: Side) -> None:
    kind = KINDS[spec.kind]
    if side not in kind.sides:
        raise UsageError(f"'{name}': {spec.kind} does not encode {side}; write {_FORM}")
    if spec.layer is not None and not kind.layers:
        layered = " and ".join(known for known in KINDS if KINDS[known].layers)
        raise UsageError(f"{spec.kind}@{spec.layer}: only {layered} have layers to choose from")
    if spec.source is None and kind.source == "required":
        raise UsageError(f"{spec.kind}: say which weights, as in {spec.kind}:SOURCE")
    if spec.source is not None and kind.source == "none":
        raise UsageError(f"{spec.kind}:{spec.source}: {spec.kind} has no weights; write {spec.kind}")


def choose_device(name: str | None = None) -> torch.device:
    """Return the device to compute on.

    Args:
        name: cpu, cuda or cuda:N; None: the GPU if there is one, else the CPU.

    Raises:
        UsageError: not such a name, or no such device on this machine.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"device '{name}': not known; write cpu, cuda or cuda:N")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device '{name}': not on this machine, which has {torch.cuda.device_count()} GPUs; write cpu")
    return device


def load_backbone(name: str, device: torch.device | None = None) -> Backbone:
    """Load both encoders.

    Args:
        name: as described at the top of this file.
        device: where to run them; None: `choose_device()`.

    Raises:
        UsageError: not such a name, weights that are missing or of another kind, or a package that is not installed.
    """
    lips, speech = parse(name)
    device = device or choose_device()
    try:
        lip_encoder = _load(lips, device)
        return Backbone(name, lip_encoder, lip_encoder if speech == lips else _load(speech, device), device)
    except ModuleNotFoundError as error:
        raise UsageError(f"'{name}' needs the package '{error.name}': pip install 'avsync[ssl]'") from error


def load_speech_encoder(name: str, device: torch.device | None = None) -> SpeechEncoder:
    """Load an encoder of speech alone, such as `ssl:facebook/hubert-base-ls960@9`; arguments as `load_backbone`.

    Raises:
        UsageError: as `load_backbone`.
    """
    return load_backbone(f"mouth+{name}", device).speech  # the encoder of lips of this name has no weights


def _load(spec: Spec, device: torch.device) -> Any:
    module, function = KINDS[spec.kind].loader.split(":")
    return getattr(import_module(module), function)(spec.source, spec.layer, device)
