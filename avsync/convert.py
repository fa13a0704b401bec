"""Convert published checkpoints to safetensors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.checkpoint import save_checkpoint
from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig
from avsync.encoders.avhubert.published import config_from_published, rename
from avsync.errors import UsageError
from avsync.files import all_finite, sha256_of, unfinished
from avsync.weights.catalogue import AVHALIGN, AVHUBERT, LICENCES
from avsync.weights.folder import describe, folder
from avsync.weights.unpickle import unpickle

_FINE_TUNED = "encoder.w2v_model."
_FLOATS = (torch.float16, torch.bfloat16, torch.float32)
_MAX_FEATURES = 8192
_KNOWN = "only AV-HuBERT (pre-trained or fine-tuned) and the head of AVH-Align can be converted"


def convert(source: Path, output: Path | None = None) -> Path:
    """Convert a published checkpoint; no code in it is run.

    AV-HuBERT becomes one safetensors file with its encoder; the header has config, source, number type and licence.
    Half-precision tensors stay half precision. An AVH-Align head becomes a trained model of avsync, with a JSON file.

    Args:
        source: a `.pt` file.
        output: a `.safetensors` file; None: the name of `source` in the folder of weights.

    Returns:
        The file that was written.

    Raises:
        UsageError: not such a checkpoint, or the output's name is taken or has another ending.
    """
    target = output or folder() / f"{source.stem}.safetensors"
    if target.suffix != ".safetensors":
        raise UsageError(f"{target}: choose a name that ends in .safetensors")
    content = unpickle(source)
    try:
        found = _head(content) if "state_dict" in content else _encoder(content)
    except ValueError as error:
        raise UsageError(f"{source}: {error}; {_KNOWN}") from error
    digest = sha256_of(source)
    if output is None and target.exists() and describe(target).source_sha256 != digest:
        raise UsageError(f"{target}: already taken by another checkpoint; choose a name with --output")
    notes = {"source": source.name, "source_sha256": digest}
    if isinstance(found, MLPAligner):
        head = {"name": target.stem, "backbone": "avhubert", "licence": LICENCES[AVHALIGN]}
        save_checkpoint(found, target, {**head, **notes})
    else:
        _save(found, target, notes)
    return target


@dataclass(frozen=True)
class _Encoder:
    config: AVHuBERTConfig
    tensors: dict[str, Tensor]


def _encoder(content: Mapping[str, Any]) -> _Encoder:
    published, options = _part(content, "model"), _part(_part(content, "cfg"), "model")
    if any(key.startswith(_FINE_TUNED) for key in published):
        published = {k.removeprefix(_FINE_TUNED): v for k, v in published.items() if k.startswith(_FINE_TUNED)}
        options = _part(_part(options, "w2v_args"), "model")
    config = config_from_published({name: value for name, value in options.items() if isinstance(value, str | int)})
    with torch.device("meta"):
        network = AVHuBERT(config)
    renamed = {name: value for key, value in published.items() if (name := rename(key)) is not None}
    # A frozen BatchNorm does not need its count of batches.
    expected = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    return _Encoder(config, _checked(renamed, expected))


def _head(content: Mapping[str, Any]) -> MLPAligner:
    published = _part(content, "state_dict")
    lips, speech = (_inputs(published, f"{name}_proj.weight") for name in ("visual", "audio"))
    model = MLPAligner(MLPConfig(lips=lips, speech=speech))
    model.load_state_dict(_checked(published, model.state_dict()))
    return model


def _part(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
        raise ValueError(f"has no {name}")
    return part


def _inputs(tensors: Mapping[str, Any], name: str) -> int:
    """The input dimension of a linear layer."""
    value = tensors.get(name)
    if not isinstance(value, Tensor) or value.ndim != 2 or value.shape[1] > _MAX_FEATURES:
        raise ValueError(f"has no usable {name}")
    return value.shape[1]


def _checked(tensors: Mapping[str, Any], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy exactly the expected tensors after checking their shapes."""
    for name, like in expected.items():
        value = tensors.get(name)
        if not isinstance(value, Tensor):
            raise ValueError(f"lacks {name}")
        if value.shape != like.shape or value.dtype not in _FLOATS:
            raise ValueError(f"{name} is {value.dtype} {tuple(value.shape)} instead of {tuple(like.shape)}")
    if unknown := sorted(set(tensors) - set(expected)):
        raise ValueError(f"has an unknown tensor {unknown[0]:.80}")
    # Last, because it reads the whole file.
    for name in expected:
        if not all_finite(tensors[name]):
            raise ValueError(f"{name} is not finite")
    return {name: tensors[name].detach().clone(memory_format=torch.contiguous_format) for name in expected}


def _save(found: _Encoder, target: Path, notes: Mapping[str, str]) -> None:
    numbers = sorted({str(value.dtype).removeprefix("torch.") for value in found.tensors.values()})
    header = {
        "format": AVHUBERT,
        "config": json.dumps(asdict(found.config)),
        "numbers": ", ".join(numbers),
        "licence": LICENCES[AVHUBERT],
        **notes,
    }
    with unfinished(target) as partial:
        save_file(found.tensors, partial, header)
