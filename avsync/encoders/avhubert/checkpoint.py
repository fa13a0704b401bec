"""AV-HuBERT on disk: one safetensors file with the config in its header."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig
from avsync.errors import UsageError
from avsync.files import all_finite

_FLOATS = {"F16", "BF16", "F32"}
# Number of batches a BatchNorm was trained on; not stored, because a frozen BatchNorm does not use it.
_COUNT = ".num_batches_tracked"
_AGAIN = "convert the published checkpoint again with 'avsync weights convert'"


def read_config(path: Path) -> AVHuBERTConfig:
    """Return the config of the AV-HuBERT in a file.

    Raises:
        UsageError: the file cannot be read, or its config is not that of an AV-HuBERT.
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
    """Return the AV-HuBERT in a file, in evaluation mode, float32.

    Tensors of float32 are memory-mapped, so the file must not change while the model is used.

    Raises:
        UsageError: the file cannot be read, its tensors do not match its config, or they are not finite.
    """
    with torch.device("meta"):
        model = AVHuBERT(read_config(path))
    kept = {name: value for name, value in model.state_dict().items() if not name.endswith(_COUNT)}
    model.load_state_dict(_tensors(path, {name: list(value.shape) for name, value in kept.items()}), assign=True)
    return model.eval().requires_grad_(False)


def _tensors(path: Path, shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Read exactly the tensors with these names and shapes, as float32, after all headers have been checked."""
    try:
        with safe_open(path, "pt") as file:
            if wrong := sorted(shapes.keys() ^ file.keys()):
                raise UsageError(f"{path}: {'lacks' if wrong[0] in shapes else 'has a stray'} {wrong[0]}; {_AGAIN}")
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
