"""The weights that a training starts from."""

from pathlib import Path
from typing import Any

import torch

from avsync.appearance.model import AppearanceModel
from avsync.appearance.networks import FrameTrunk
from avsync.checkpoint import load_checkpoint
from avsync.errors import UsageError
from avsync.weights.web import published_file


def start_file(network: str, start: str) -> Path | None:
    """The file that `start` names (`AppearanceOptions.start`); None: weights are random.

    Raises:
        UsageError: it is not there, or ImageNet has none for this network.
    """
    if not start:
        return None
    if start != "imagenet":
        if not Path(start).is_file():
            raise UsageError(f"model.start: {start} is no file; name one, or imagenet, or leave it empty")
        return Path(start)
    if network not in _PUBLISHED:
        raise UsageError(f"model.start=imagenet: there are no such weights of {network}; name one of {_NAMED}")
    return published_file(network)


def load_start(model: AppearanceModel, path: Path) -> None:
    """Take the weights of a file: a model.safetensors of the same network, or torchvision's of its trunk.

    Raises:
        UsageError: it is damaged, or of another network.
    """
    network = model.config.network
    if path.suffix == ".safetensors":
        given = load_checkpoint(path).model
        if not isinstance(given, AppearanceModel) or given.config.network != network:
            raise UsageError(f"model.start: {path} is no model of the network {network}")
        weights: dict[str, Any] = given.state_dict()
    else:
        weights = {**model.state_dict(), **_of_torchvision(model, path)}
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"model.start: {path} does not fit a {network} with these settings") from error


_PUBLISHED = ("resnet18", "efficientnet_b0", "efficientnet_b4")
_NAMED = ", ".join(_PUBLISHED)
# The layers of torchvision's ResNet by their place in the trunk.
_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


def _of_torchvision(model: AppearanceModel, path: Path) -> dict[str, Any]:
    """The weights of a whole network of torchvision, by their names in the model; its classes are left out."""
    if not isinstance(model.trunk, FrameTrunk):
        raise UsageError(f"model.start: {path} is no model.safetensors, which the network {model.config.network} needs")
    try:
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        named = {_renamed(name): value for name, value in weights.items()}
    except Exception as error:  # damaged bytes can raise any error in the reader
        raise UsageError(f"model.start: {path} cannot be read as weights of torchvision") from error
    found = {name: value for name, value in named.items() if name.startswith("trunk.")}
    if missing := {name for name in model.state_dict() if name.startswith("trunk.")} - found.keys():
        raise UsageError(f"model.start: {path} has no weights for {sorted(missing)[0].removeprefix('trunk.layers.')}")
    return found


def _renamed(name: str) -> str:
    first, _, rest = name.partition(".")
    if first == "features":
        return f"trunk.layers.{rest}"
    return f"trunk.layers.{_RESNET.index(first)}.{rest}" if first in _RESNET else name
