"""AV-HuBERT on disk: one safetensors file whose header holds the config."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig
from avsync.errors import UsageError
from avsync.files import all_finite

_FLOATS = {"F16", "BF16", "F32"}
# Of batches that a BatchNorm has seen in training; no file has it, for a frozen one does not use it.
_COUNT = ".num_batches_tracked"
_AGAIN = "convert the published checkpoint again with 'avsync weights convert'"


def read_config(path: Path) -> AVHuBERTConfig:
    """The config of the AV-HuBERT in a file.

    Raises:
        UsageError: the file cannot be read, or has no config that can be built.
    """
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
        return AVHuBERTConfig(**json.loads(notes["config"]))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path}: cannot be read ({_line(error)}); {_AGAIN}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path}: its header does not describe an AV-HuBERT; {_AGAIN}") from error


def read_model(path: Path) -> AVHuBERT:
    """The AV-HuBERT in a file, in evaluation mode, float32.

    Tensors of float32 are mapped from the file, not copied, so the file must stay as it is.

    Raises:
        UsageError: the file cannot be read, or its tensors are not finite or not those of its config.
    """
    with torch.device("meta"):
        model = AVHuBERT(read_config(path))
    kept = {name: value for name, value in model.state_dict().items() if not name.endswith(_COUNT)}
    model.load_state_dict(_tensors(path, {name: list(value.shape) for name, value in kept.items()}), assign=True)
    return model.eval().requires_grad_(False)


def _tensors(path: Path, shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Exactly the tensors of these names and shapes, in float32; nothing is read before all headers are as expected."""
    try:
        with safe_open(path, "pt") as file:
            if odd := sorted(shapes.keys() ^ file.keys()):
                raise UsageError(f"{path}: {'lacks' if odd[0] in shapes else 'has a stray'} {odd[0]}; {_AGAIN}")
            for name, shape in shapes.items():
                kind, found = file.get_slice(name).get_dtype(), file.get_slice(name).get_shape()
                if kind not in _FLOATS or found != shape:
                    raise UsageError(f"{path}: {name} is {kind} {found} instead of floats {shape}; {_AGAIN}")
            tensors = {name: file.get_tensor(name).float() for name in shapes}
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path}: cannot be read ({_line(error)}); {_AGAIN}") from error
    for name, value in tensors.items():
        if not all_finite(value):
            raise UsageError(f"{path}: {name} holds values that are not finite; {_AGAIN}")
    return tensors


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
