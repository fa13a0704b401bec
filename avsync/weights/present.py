"""Which of the known weights are on this machine."""

from avsync.weights import hub, web
from avsync.weights.catalogue import HUB, WEB, Known
from avsync.weights.folder import describe, folder


def is_here(known: Known) -> bool:
    """Return whether weights are in the folder of weights, or in the cache of huggingface_hub; nothing is loaded."""
    if known.kind in (HUB, WEB):
        return (web if known.kind == WEB else hub).present(known.name) is not None
    return describe(folder() / f"{known.name}.safetensors").format == known.kind
