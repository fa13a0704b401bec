"""Load HuBERT, WavLM and wav2vec 2.0 from a folder in the hub's format."""

from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

from torch import nn

from avsync.errors import UsageError
from avsync.media import RATE
from avsync.weights import ssl_folder
from avsync.weights.hub_model import blamed_on, read_config, read_json, read_model

KINDS = ("hubert", "wavlm", "wav2vec2")  # XLS-R is a wav2vec 2.0
# Samples between frames and samples per frame, the same in every published model of these kinds.
HOP, WIDTH = 320, 400


@dataclass(frozen=True)
class SSLFiles:
    """A loaded model.

    Attributes:
        model: a `HubertModel`, `WavLMModel` or `Wav2Vec2Model` on the CPU, float32; its last hidden state is read.
        kind: one of KINDS.
        normalize: whether it was trained on sound of zero mean and unit variance.
        identity: a short hash of everything its features depend on.
    """

    model: nn.Module
    kind: str
    normalize: bool
    identity: str


def read_ssl(source: str, layer: int | None) -> SSLFiles:
    """Read a model without the layers above `layer`; arguments and errors are those of `load_speech_ssl`."""
    folder = ssl_folder(source)
    described = read_json(source, folder / "config.json")
    kind = described.get("model_type")
    if kind not in KINDS:
        raise UsageError(f"{source}: a model of type {kind!r}; name a HuBERT, WavLM or wav2vec 2.0 model")
    preprocessor = read_json(source, folder / "preprocessor_config.json")
    rate = preprocessor.get("sampling_rate", RATE)
    if rate != RATE:
        raise UsageError(f"{source}: a model for sound at {rate} Hz; name a model for {RATE} Hz")
    with blamed_on(source):
        config = read_config(folder)
    _check(source, config, layer)
    normalize = bool(preprocessor.get("do_normalize", True))
    with blamed_on(source):
        model = _model(folder, config, layer)
        return SSLFiles(model, kind, normalize, _identity(model, folder, normalize))


def _check(source: str, config: Any, layer: int | None) -> None:
    if prod(config.conv_stride) != HOP or _width(config) != WIDTH:
        raise UsageError(f"{source}: does not give 50 frames per second; name another model")
    if layer is not None and not 1 <= layer <= config.num_hidden_layers:
        raise UsageError(f"{source}: has no layer {layer}; choose @1 to @{config.num_hidden_layers}")


def _width(config: Any) -> int:
    """Samples that a frame covers."""
    width, hop = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        width, hop = width + (kernel - 1) * hop, hop * stride
    return width


def _model(folder: Path, config: Any, layer: int | None) -> nn.Module:
    config.num_hidden_layers = layer or config.num_hidden_layers
    config.add_adapter = False  # some wav2vec 2.0 models have one, which halves the frame rate after the last layer
    model: Any = read_model(folder, config, unused={"masked_spec_embed"})
    if layer is not None and config.do_stable_layer_norm:
        model.encoder.layer_norm = nn.Identity()
    whole: nn.Module = model
    return whole


def _identity(model: nn.Module, folder: Path, normalize: bool) -> str:
    digest = sha256((folder / "config.json").read_bytes() + bytes([normalize]))
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy())
    return digest.hexdigest()[:16]
