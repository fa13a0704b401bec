"""Read a model of transformers from a folder in the hub's format, without network and without foreign code."""

import json
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import safe_open
from torch import nn

from avsync.errors import UsageError
from avsync.files import all_finite


def read_json(source: str, path: Path) -> dict[str, Any]:
    """Return the content of a JSON file of a model.

    Raises:
        UsageError: it is missing or damaged. The message begins with `source`, the user's name of the model.
    """
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
def blamed_on(source: str) -> Iterator[None]:
    """Turn every error inside into a UsageError about the files of a model."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{source}: needs the package '{error.name}': pip install 'avsync[ssl]'") from error
    except Exception as error:  # which errors transformers raises depends on its version
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{source}: incomplete or damaged ({reason}); fetch it again") from error


def read_config(folder: Path, kind: str = "AutoConfig") -> Any:
    """Return the config of a model, of a class of transformers; errors as in `read_model`."""
    import transformers  # importing it takes seconds

    return getattr(transformers, kind).from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def read_model(folder: Path, config: Any, kind: str = "AutoModel", unused: Set[str] = frozenset()) -> nn.Module:
    """Return a model on the CPU, float32, in evaluation mode. Call it inside of `blamed_on`.

    Args:
        folder: with the weights.
        config: of `read_config`; it may have been changed.
        kind: its class in transformers.
        unused: weights that may be missing.

    Raises:
        ValueError: weights are missing or not finite; other errors come from transformers.
    """
    _check_readable(folder)
    import transformers

    model: Any
    with _quiet():
        model, info = getattr(transformers, kind).from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    if missing := set(info["missing_keys"]) - unused:
        raise ValueError(f"no weights {min(missing)}")
    if not all(all_finite(value) for value in model.state_dict().values()):
        raise ValueError("weights that are not finite")
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
