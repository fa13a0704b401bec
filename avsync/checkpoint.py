"""Trained models on disk: weights as safetensors, and beside them a JSON file with the format, the config and notes.

To add a kind of model, write its class, and add its line to `KINDS`. Nothing of a model is imported before a checkpoint
of its format is loaded.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from avsync.errors import UsageError
from avsync.files import all_finite, upcoming, write_pair

_ASSETS = Path(__file__).parent / "assets"
EMBEDDED = _ASSETS / "default.safetensors"  # of the lips
EMBEDDED_VOICE = _ASSETS / "voice.safetensors"
# The default model has 2 MB, a ResNet 50 MB, their JSON files some kB; a far larger file is something else.
_MAX_WEIGHTS, _MAX_NOTES = 256 << 20, 16 << 20
_NO_DESCRIPTION = "not the description of a model; name one made by this avsync"
_NO_WEIGHTS = "not the weights of this model; train it again with this avsync"
# Fields of the JSON file that are text if they are there.
_WORDS = ("name", "backbone", "features", "reading")


class Model(nn.Module):
    """A model that can be saved.

    Attributes:
        format: names the kind of model in its file, and in `KINDS`.
        check: the check that asks it, as `avsync.checks.registry` calls it; "none": none does.
        config: the frozen dataclass the model was built from.
    """

    format: ClassVar[str]
    check: ClassVar[str]
    config: Any


# By format, the module of a kind of model, its class, and the class of its config.
KINDS: dict[str, tuple[str, str, str]] = {
    "avsync.temporal/1": ("avsync.align.temporal", "TemporalAligner", "TemporalConfig"),
    "avsync.cosine/1": ("avsync.align.cosine", "CosineAligner", "CosineConfig"),
    "avsync.mlp/1": ("avsync.align.mlp", "MLPAligner", "MLPConfig"),
    "avsync.resnet/1": ("avsync.align.resnet", "ResNetAligner", "ResNetConfig"),
    "avsync.voice-reconstruction/1": ("avsync.voice.reconstruction", "ReconstructionModel", "ReconstructionConfig"),
    "avsync.voice-stfpm/1": ("avsync.voice.stfpm", "StfpmModel", "StfpmConfig"),
    "avsync.voice-linear/1": ("avsync.voice.linear", "LinearModel", "LinearConfig"),
    "avsync.vocoder/1": ("avsync.reconstruct.neural", "VocoderModel", "VocoderConfig"),
    "avsync.appearance/1": ("avsync.appearance", "AppearanceModel", "AppearanceConfig"),
    "avsync.face-autoencoder/1": ("avsync.reconstruct.autoencoder", "AutoencoderModel", "AutoencoderConfig"),
}


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model.

    Attributes:
        model: in evaluation mode, on the CPU.
        sha256: of its weights file.
        notes: all fields of its JSON file.
    """

    model: Model
    sha256: str
    notes: dict[str, Any]


def save_checkpoint(model: Model, path: Path, notes: Mapping[str, Any]) -> None:
    """Write the weights to `path`, and the model's format and config with `notes` to the `.json` file beside it.

    A kill at any moment leaves the old pair or the new one (`avsync.files.write_pair`).

    Args:
        model: the model.
        path: ends in `.safetensors`.
        notes: plain data.
    """
    weights = save_tensors({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()})
    head = {"format": model.format, "weights_sha256": sha256(weights).hexdigest(), "model": asdict(model.config)}
    text = json.dumps({**head, **notes, **head}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_pair(path, weights, path.with_suffix(".json"), text.encode())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote; no code in the files is run. A save that was killed is completed.

    Raises:
        UsageError: a file is missing, truncated, too large or of another kind, or the two do not belong together.
    """
    weights = _read(path, _MAX_WEIGHTS)
    digest = sha256(weights).hexdigest()
    notes = _notes(path, digest)
    model = _untrained(path, notes, len(weights))
    try:
        model.load_state_dict(load_tensors(weights))
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: {_NO_WEIGHTS}") from error
    if not all(all_finite(value) for value in model.state_dict().values()):
        raise UsageError(f"{path}: holds weights that are not numbers; train the model again")
    return Checkpoint(model.eval(), digest, notes)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); name a model.safetensors made by avsync"
        ) from error
    if len(content) > limit:
        raise UsageError(f"{path}: larger than {limit >> 20} MB, so no checkpoint of avsync")
    return content


def _notes(weights: Path, digest: str) -> dict[str, Any]:
    """The JSON file beside the weights with this hash, or what a killed save could not rename to it any more."""
    path = weights.with_suffix(".json")
    problem = UsageError(f"{weights}: not the weights that {path.name} describes; fetch both files again")
    for place in filter(Path.exists, (path, upcoming(path))):
        try:
            notes = _parse(path, _read(place, _MAX_NOTES))
        except UsageError as error:
            problem = error
            continue
        if notes["weights_sha256"] == digest:
            if place != path:
                with suppress(OSError):  # the folder may be read-only
                    place.replace(path)
            return notes
    _read(path, _MAX_NOTES)  # says why it cannot be read, if it cannot
    raise problem


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        notes = json.loads(text)
        right = all(isinstance(notes[name], str) for name in ("format", "weights_sha256"))
        right = right and isinstance(notes["model"], dict)
        if not right or not all(isinstance(notes.get(name, ""), str) for name in _WORDS):
            raise ValueError("notes")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path}: {_NO_DESCRIPTION}") from error
    found: dict[str, Any] = notes
    return found


def _untrained(path: Path, notes: Mapping[str, Any], size: int) -> Model:
    """The model that notes describe, before its weights are loaded from a file of `size` bytes."""
    try:
        module, model, config = KINDS[notes["format"]]
        kind: type[Any] = getattr(import_module(module), model)
        settings = getattr(import_module(module), config)(**notes["model"])
        with torch.device("meta"):  # takes no memory
            needed = sum(value.nbytes for value in kind(settings).state_dict().values())
        if needed <= size:
            made: Model = kind(settings)
            return made
    except ModuleNotFoundError as error:
        raise UsageError(f"{path}: needs the package '{error.name}': pip install 'avsync[ssl]'") from error
    except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise UsageError(f"{path.with_suffix('.json')}: {_NO_DESCRIPTION}") from error
    raise UsageError(f"{path}: {_NO_WEIGHTS}")
