"""Real speech, taken apart and put together again: who speaks and what is said stay, traces of synthesis come in."""

from avsync.reconstruct.speech.interface import Rebuild
from avsync.reconstruct.speech.registry import (
    RECONSTRUCTIONS,
    Reconstruction,
    identity,
    load_reconstruction,
    reconstruct,
)

__all__ = ["RECONSTRUCTIONS", "Rebuild", "Reconstruction", "identity", "load_reconstruction", "reconstruct"]
