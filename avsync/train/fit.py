"""The part that every training shares: loggers, checkpoints to go on from, a quiet trainer."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from avsync.config import RunConfig
from avsync.errors import UsageError
from avsync.files import write_whole


class Run:
    """One training in `config.out`, begun, or to go on from its last whole epoch.

    Args:
        config: where results go, and how.
        recipe: what the weights depend on, as plain data.

    Raises:
        UsageError: a logger that is not installed, or checkpoints that another recipe made.
    """

    def __init__(self, config: RunConfig, recipe: Mapping[str, Any]) -> None:
        self._config, self._out = config, Path(config.out)
        self._loggers = _loggers(config.loggers, self._out)
        self._last = _last_checkpoint(self._out, recipe, config.resume)

    def fit(
        self, module: LightningModule, data: LightningDataModule, *, clip: float | None = None, stop: int | None = None
    ) -> Mapping[str, float]:
        """Train, and return the figures of the validation clips.

        Args:
            module, data: what learns, and from what.
            clip: norm that gradients are clipped to.
            stop: end after so many epochs without a smaller `val_loss`, with the weights of the best epoch; None: end
                with the last epoch's.
        """
        folder = self._out / "checkpoints"
        last = ModelCheckpoint(folder, "last", enable_version_counter=False, save_on_train_epoch_end=True)
        best = ModelCheckpoint(folder, "best", monitor="val_loss", enable_version_counter=False)
        with _quiet():
            trainer = self._trainer(clip, [last, best, _Patience("val_loss", patience=stop)] if stop else [last])
            trainer.fit(module, datamodule=data, ckpt_path=self._last, weights_only=True)
            if stop:
                saved = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
                module.load_state_dict(saved["state_dict"])
            return trainer.validate(module, datamodule=data, verbose=False)[0]

    def _trainer(self, clip: float | None, callbacks: list[Callback]) -> Trainer:
        return Trainer(
            max_epochs=self._config.epochs,
            devices=1,
            logger=self._loggers,
            callbacks=callbacks,
            gradient_clip_val=clip,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            reload_dataloaders_every_n_epochs=1,
            enable_model_summary=False,
            enable_progress_bar=sys.stdout.isatty(),
        )


class _Patience(EarlyStopping):
    """Does not begin again what it had ended before the training was taken up once more."""

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience


def _loggers(names: Sequence[str], out: Path) -> list[Logger]:
    for name in {"tensorboard", "wandb"}.intersection(names):
        if find_spec(name) is None:
            raise UsageError(f"trainer.loggers: {name} is not installed; pip install {name}")
    make: dict[str, Callable[[], Logger]] = {
        "csv": lambda: CSVLogger(out, "csv"),
        "tensorboard": lambda: TensorBoardLogger(out, "tensorboard"),
        "wandb": lambda: WandbLogger(project="avsync", save_dir=out, offline=True),
    }
    return [make[name]() for name in names]


def _last_checkpoint(out: Path, recipe: Mapping[str, Any], resume: bool) -> Path | None:
    """The checkpoint to go on from, if any; notes for the next time what this training is."""
    last, note = out / "checkpoints" / "last.ckpt", out / "checkpoints" / "recipe.json"
    text = json.dumps(recipe, indent=2) + "\n"
    if resume and last.exists():
        if not note.exists() or note.read_text() != text:
            raise UsageError(
                f"{last}: of another config or other clips; set trainer.resume=false or another trainer.out"
            )
        try:
            torch.load(last, map_location="cpu", weights_only=True)
        except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as error:
            raise UsageError(f"{last}: damaged; set trainer.resume=false to start again") from error
        return last
    last.unlink(missing_ok=True)
    write_whole(note, text.encode())
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning speaks through its progress bar only."""
    chatty = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*exists and is not empty.*")
            warnings.filterwarnings("ignore", ".*LeafSpec.*")
            yield
    finally:
        for logger, level in zip(chatty, levels, strict=True):
            logger.setLevel(level)
