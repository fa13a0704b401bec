"""Training on real recordings, from a config to a checkpoint."""

from avsync.train.pipeline import train

__all__ = ["train"]
