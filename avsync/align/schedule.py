"""The optimiser that trainings share."""

from typing import Any

from lightning import LightningModule
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from avsync.config import OptimConfig


def one_cycle(module: LightningModule, config: OptimConfig) -> Any:
    """AdamW with a one-cycle schedule over the whole training (Smith & Topin, 2018), for `configure_optimizers`."""
    optimizer = AdamW(module.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    steps = int(module.trainer.estimated_stepping_batches)
    schedule = OneCycleLR(optimizer, config.lr, total_steps=steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
