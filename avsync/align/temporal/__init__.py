"""The default model: lip and speech encoders that learn together; `data` and `module` need the `train` extra."""

from avsync.align.temporal.config import AugmentConfig, TemporalConfig
from avsync.align.temporal.model import TemporalAligner

__all__ = ["AugmentConfig", "TemporalAligner", "TemporalConfig"]
