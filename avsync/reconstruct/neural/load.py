"""Load a network that rebuilds speech from its checkpoint."""

from pathlib import Path

from avsync.checkpoint import load_checkpoint
from avsync.errors import UsageError
from avsync.reconstruct.neural.model import VocoderModel
from avsync.reconstruct.speech.interface import Rebuild


def load_neural(source: str, _device: str) -> Rebuild:
    """The `rebuild` of a checkpoint; it runs on the CPU.

    Raises:
        UsageError: it is missing, damaged or of another kind.
    """
    model = load_checkpoint(Path(source)).model
    if not isinstance(model, VocoderModel):
        raise UsageError(f"{source}: rebuilds no speech; name a model of avsync train configs/vocoder.yaml")
    return model.rebuild
