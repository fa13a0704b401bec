"""Real speech or reconstructed speech (after Afchar et al., ICASSP 2025)."""

from avsync.voice.reconstruction.config import ReconstructionConfig
from avsync.voice.reconstruction.model import ReconstructionModel

__all__ = ["ReconstructionConfig", "ReconstructionModel"]
