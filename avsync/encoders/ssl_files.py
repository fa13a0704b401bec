"""Load speech models of transformers from a folder in the hub's format, without network and without foreign code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import safe_open
from torch import nn

from avsync.errors import UsageError
from avsync.files import all_finite
from avsync.media import RATE
from avsync.weights import ssl_folder

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
    described = _read_json(source, folder / "config.json")
    kind = described.get("model_type")
    if kind not in KINDS:
        raise UsageError(f"{source}: a model of type {kind!r}; name a HuBERT, WavLM or wav2vec 2.0 model")
    preprocessor = _read_json(source, folder / "preprocessor_config.json")
    rate = preprocessor.get("sampling_rate", RATE)
    if rate != RATE:
        raise UsageError(f"{source}: a model for sound at {rate} Hz; name a model for {RATE} Hz")
    with _blamed_on(source):
        config = _config(folder)
    _check(source, config, layer)
    normalize = bool(preprocessor.get("do_normalize", True))
    with _blamed_on(source):
        model = _model(folder, config, layer)
        return SSLFiles(model, kind, normalize, _identity(model, folder, normalize))


def _read_json(source: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{source}: {path.name} is missing; add it to the folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{source}: {path.name} cannot be read; fetch the model again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{source}: {path.name} does not describe a model; fetch the model again")
    return content


@contextmanager
def _blamed_on(source: str) -> Iterator[None]:
    """Turn every error inside into a UsageError about the files."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{source}: needs the package '{error.name}': pip install 'avsync[ssl]'") from error
    except Exception as error:  # which errors transformers raises depends on its version
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{source}: incomplete or damaged ({reason}); fetch it again") from error


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


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
    _check_readable(folder)
    from transformers import AutoModel  # importing it takes seconds

    config.num_hidden_layers = layer or config.num_hidden_layers
    config.add_adapter = False  # some wav2vec 2.0 models have one, which halves the frame rate after the last layer
    model: Any
    with _quiet():
        model, info = AutoModel.from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    if missing := set(info["missing_keys"]) - {"masked_spec_embed"}:
        raise ValueError(f"no weights {min(missing)}")
    if not all(all_finite(value) for value in model.state_dict().values()):
        raise ValueError("weights that are not finite")
    if layer is not None and config.do_stable_layer_norm:
        model.encoder.layer_norm = nn.Identity()
    whole: nn.Module = model.float()
    return whole


def _check_readable(folder: Path) -> None:
    """Raise the errors of damaged files before anything slow is done."""
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt"):
            pass
    for path in folder.glob("pytorch_model*.bin"):
        torch.load(path, map_location="meta", weights_only=True, mmap=is_zipfile(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and from reporting weights that are left out on purpose."""
    from transformers import utils

    log: Any = utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _identity(model: nn.Module, folder: Path, normalize: bool) -> str:
    digest = sha256((folder / "config.json").read_bytes() + bytes([normalize]))
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy())
    return digest.hexdigest()[:16]
