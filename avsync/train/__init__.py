"""Training on real video, from a config to a checkpoint."""

from pathlib import Path

from avsync.config import Config, MLPTraining, ResNetTraining, TrainingConfig
from avsync.features import load_backbone


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
    # Backbones come first: that one is missing is said before the seconds that Lightning takes to be imported.
    match config:
        case Config():
            from avsync.train.temporal import train_temporal

            return train_temporal(config)
        case MLPTraining():
            backbone = load_backbone(config.backbone)
            from avsync.train.heads import train_mlp

            return train_mlp(config, backbone)
        case ResNetTraining():
            backbone = load_backbone(f"mouth+{config.speech}")
            from avsync.train.heads import train_resnet

            return train_resnet(config, backbone)
