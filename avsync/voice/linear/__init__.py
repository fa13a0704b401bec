"""Logistic regression on frozen features of speech (Pascu et al., Interspeech 2024)."""

from avsync.voice.linear.config import LinearConfig
from avsync.voice.linear.model import LinearModel

__all__ = ["LinearConfig", "LinearModel"]
