"""The files a training goes on from: written whole, with the epoch before kept, and checked before they are used."""

import json
import logging
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from avsync.errors import UsageError
from avsync.files import unfinished, write_whole

FOLDER = "checkpoints"  # in the folder of the training
LAST, BEST, _PREVIOUS, _CONFIG = "last.ckpt", "best.ckpt", "previous.ckpt", "config.json"
_PARTS = {"state_dict", "epoch", "global_step", "loops", "callbacks", "optimizer_states", "lr_schedulers"}

_log = logging.getLogger(__name__)


class EpochFiles(TorchCheckpointIO):
    """Writes each file beside its target, so that a full disk or a kill never costs the epochs before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint. The last one, if this replaces it, is kept as `previous.ckpt`."""
        path, content = Path(path), BytesIO()
        torch.save(checkpoint, content)
        with unfinished(path) as partial:
            partial.write_bytes(content.getbuffer())
            if path.name == LAST and path.exists():
                path.replace(path.with_name(_PREVIOUS))


def last_epoch(folder: Path, effective_config: Mapping[str, Any], resume: bool) -> Path | None:
    """The checkpoint to go on from: of the last whole epoch, or of the one before if that is damaged; None: start.

    The config is written beside it, to be compared when training resumes.

    Raises:
        UsageError: another config or other clips made the checkpoints, or all are damaged.
    """
    files = [folder / FOLDER / name for name in (LAST, _PREVIOUS)]
    note, text = folder / FOLDER / _CONFIG, (json.dumps(effective_config, indent=2) + "\n").encode()
    found = [path for path in files if path.exists()]
    if not resume or not found:
        for path in files:
            path.unlink(missing_ok=True)
        write_whole(note, text)
        return None
    if not note.exists() or note.read_bytes() != text:
        raise UsageError(
            f"{found[0]}: made with another config or other clips; set trainer.resume=false or another "
            "trainer.output_dir"
        )
    usable = next((path for path in found if is_whole(path)), None)
    if usable is None:
        raise UsageError(f"{found[0]}: damaged; set trainer.resume=false to start again")
    if usable != files[0]:
        _log.warning("%s: damaged or missing; going on from the epoch before", files[0])
    return usable


def best_weights(path: Path) -> dict[str, Any]:
    """The weights of the best epoch.

    Raises:
        UsageError: the file is gone or damaged.
    """
    if not is_whole(path):
        raise UsageError(f"{path}: damaged or missing; set trainer.resume=false to start again")
    weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return weights


def is_whole(path: Path) -> bool:
    """Whether a file is a checkpoint of a training, as it was written."""
    try:
        with ZipFile(path) as archive:  # PyTorch does not look at the checksums
            if archive.testzip() is not None:
                return False
        return set(torch.load(path, map_location="cpu", weights_only=True)) >= _PARTS
    except Exception:  # damaged bytes can raise any error in the readers
        return False
