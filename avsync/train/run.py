"""The part that every training shares: loggers, checkpoints to go on from, a quiet trainer."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from avsync.config import DevicesConfig, RunConfig
from avsync.errors import UsageError
from avsync.train.batch_norm import SharedBatchNorm
from avsync.train.epochs import BEST, FOLDER, LAST, EpochFiles, best_weights, last_epoch
from avsync.train.ranks import lead, rank
from avsync.train.recipes.training import Training


class Run:
    """One training in `config.output_dir`: a new one, or one that goes on from its last whole epoch.

    Args:
        config: where results go, and how.
        effective_config: what the weights depend on, as plain data.

    Raises:
        UsageError: a logger that is not installed, more devices than the machine has GPUs, or checkpoints that another
            config made or that are damaged.
    """

    def __init__(self, config: RunConfig, effective_config: Mapping[str, Any]) -> None:
        self._config, self._folder = config, Path(config.output_dir)
        self._devices, self._strategy = _devices(config)
        self._loggers = _loggers(config.loggers, self._folder)
        # On several devices the first process has done it before it starts the others.
        self._last = last_epoch(self._folder, effective_config, config.resume or rank() > 0)

    def fit(self, training: Training) -> Mapping[str, float]:
        """Train, and return the metrics of the validation clips.

        On several devices only the first process returns. The others end here: they write nothing.
        """
        folder = self._folder / FOLDER
        last = ModelCheckpoint(folder, Path(LAST).stem, enable_version_counter=False, save_on_train_epoch_end=True)
        best = ModelCheckpoint(folder, Path(BEST).stem, monitor="val_loss", enable_version_counter=False)
        patience = training.early_stopping_patience
        module, data = training.module, training.data
        callbacks: list[Callback] = [last, best, _Patience("val_loss", patience=patience)] if patience else [last]
        if not rank():
            lead()
        with _quiet():
            trainer = self._trainer(training.gradient_clip, callbacks)
            trainer.fit(module, datamodule=data, ckpt_path=self._last, weights_only=True)
            if patience:
                module.load_state_dict(best_weights(folder / BEST))
            metrics = trainer.validate(module, datamodule=data, verbose=False)[0]
        if not trainer.is_global_zero:
            raise SystemExit
        return metrics

    def _trainer(self, gradient_clip: float | None, callbacks: list[Callback]) -> Trainer:
        return Trainer(
            max_epochs=self._config.epochs,
            devices=self._devices,
            strategy=self._strategy,
            use_distributed_sampler=False,  # the data deal their batches themselves
            logger=self._loggers,
            callbacks=callbacks,
            plugins=[EpochFiles(), SharedBatchNorm()],
            gradient_clip_val=gradient_clip,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            reload_dataloaders_every_n_epochs=1,
            enable_model_summary=False,
            enable_progress_bar=sys.stdout.isatty(),
        )


class _Patience(EarlyStopping):
    """Early stopping that a resumed training does not undo: one that had ended stays ended."""

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience


def _devices(config: RunConfig) -> tuple[int, str]:
    """How many devices a training takes, and how they work together."""
    if not isinstance(config, DevicesConfig):
        return 1, "auto"
    gpus = torch.cuda.device_count()
    if gpus and config.devices > gpus:
        raise UsageError(f"trainer.devices={config.devices}: this machine has {gpus} GPUs")
    return config.devices, config.strategy


def _loggers(names: Sequence[str], folder: Path) -> list[Logger]:
    for name in {"tensorboard", "wandb"}.intersection(names):
        if find_spec(name) is None:
            raise UsageError(f"trainer.loggers: {name} is not installed; pip install {name}")
    make: dict[str, Callable[[], Logger]] = {
        "csv": lambda: CSVLogger(folder, "csv"),
        "tensorboard": lambda: TensorBoardLogger(folder, "tensorboard"),
        "wandb": lambda: WandbLogger(project="avsync", save_dir=folder, offline=True),
    }
    return [make[name]() for name in names]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Lightning logs and warns about; its progress bar stays."""
    chatty = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*exists and is not empty.*")
            warnings.filterwarnings("ignore", ".*LeafSpec.*")
            warnings.filterwarnings("ignore", ".*sync_dist=True.*")  # every device validates on all clips
            yield
    finally:
        for logger, level in zip(chatty, levels, strict=True):
            logger.setLevel(level)
