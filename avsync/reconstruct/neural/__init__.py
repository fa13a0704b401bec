"""Small networks that rebuild speech, trained on the same real speech as the voice check."""

from avsync.reconstruct.neural.config import VocoderConfig
from avsync.reconstruct.neural.model import VocoderModel

__all__ = ["VocoderConfig", "VocoderModel"]
