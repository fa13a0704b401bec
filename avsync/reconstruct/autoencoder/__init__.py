"""Small networks that rebuild faces, trained on the same real faces as the networks of `avsync.appearance`."""

from avsync.reconstruct.autoencoder.config import AutoencoderConfig
from avsync.reconstruct.autoencoder.model import AutoencoderModel

__all__ = ["AutoencoderConfig", "AutoencoderModel"]
