"""Training on real video, from a config to a checkpoint."""

from pathlib import Path

from avsync.config import Config, MLPTraining, ResNetTraining, TrainingConfig


def train(config: TrainingConfig) -> Path:
    """Train what the config says, and write `<out>/model.safetensors` with its JSON.

    Killed at any time and started again with the same config, it goes on from the last whole epoch and ends at the same
    weights. On a CPU the same config and data give the same weights.

    Returns:
        The path of the weights.

    Raises:
        UsageError: fakes in the data, no clips, a logger, package or backbone that is missing, or checkpoints in
            `trainer.out` that another config or other data made.
    """
    match config:
        case Config():
            from avsync.train.temporal import train_temporal

            return train_temporal(config)
        case MLPTraining():
            from avsync.train.heads import train_mlp

            return train_mlp(config)
        case ResNetTraining():
            from avsync.train.heads import train_resnet

            return train_resnet(config)
