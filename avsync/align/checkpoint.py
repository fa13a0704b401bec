"""Trained models on disk: weights as safetensors, and beside them a JSON file with the format, the config and notes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from avsync.align.aligner import Aligner
from avsync.align.cosine import CosineAligner, CosineConfig
from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.align.resnet import ResNetAligner, ResNetConfig
from avsync.align.temporal import TemporalAligner, TemporalConfig
from avsync.errors import UsageError
from avsync.files import all_finite, write_whole

EMBEDDED = Path(__file__).parents[1] / "assets" / "default.safetensors"
# The default model has 2 MB, a ResNet 50 MB, their JSON files some kB; a far larger file is something else.
_MAX_WEIGHTS, _MAX_NOTES = 256 << 20, 16 << 20
_MODELS: tuple[tuple[type[Aligner], type[Any]], ...] = (
    (TemporalAligner, TemporalConfig),
    (CosineAligner, CosineConfig),
    (MLPAligner, MLPConfig),
    (ResNetAligner, ResNetConfig),
)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model.

    Attributes:
        model: in evaluation mode, on the CPU.
        sha256: of its weights file.
        notes: all fields of its JSON file.
    """

    model: Aligner
    sha256: str
    notes: dict[str, Any]


def save_checkpoint(model: Aligner, path: Path, notes: Mapping[str, Any]) -> None:
    """Write the weights to `path`, and the model's format and config with `notes` to the `.json` file beside it.

    Each file appears under its name only when it is complete.

    Args:
        model: the model.
        path: ends in `.safetensors`.
        notes: plain data.
    """
    weights = save_tensors({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()})
    head = {"format": model.format, "weights_sha256": sha256(weights).hexdigest(), "model": asdict(model.config)}
    text = json.dumps({**head, **notes, **head}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, weights)
    write_whole(path.with_suffix(".json"), text.encode())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote; no code in the files is run.

    Raises:
        UsageError: a file is missing, truncated, too large or of another kind, or the two do not belong together.
    """
    weights, text = _read(path, _MAX_WEIGHTS), _read(path.with_suffix(".json"), _MAX_NOTES)
    model, notes = _parse(path.with_suffix(".json"), text)
    digest = sha256(weights).hexdigest()
    if digest != notes["weights_sha256"]:
        raise UsageError(f"{path}: not the weights that {path.stem}.json describes; fetch both files again")
    try:
        model.load_state_dict(load_tensors(weights))
    except (SafetensorError, RuntimeError) as error:
        raise UsageError(f"{path}: not the weights of this model; train it again with this avsync") from error
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


def _parse(path: Path, text: bytes) -> tuple[Aligner, dict[str, Any]]:
    try:
        notes = json.loads(text)
        notes["weights_sha256"] = str(notes["weights_sha256"])
        return _untrained(notes["format"], notes["model"]), notes
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path}: not the description of a model; name one made by this avsync") from error
    except ModuleNotFoundError as error:
        raise UsageError(f"{path}: needs the package '{error.name}': pip install 'avsync[ssl]'") from error


def _untrained(kind: str, config: dict[str, Any]) -> Aligner:
    for model, config_class in _MODELS:
        if model.format == kind:
            return model(config_class(**config))
    raise ValueError(kind)
