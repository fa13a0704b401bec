"""Autoencoders of pictures that others trained, in the format of diffusers: a folder with config.json and weights.

Such as those of Stable Diffusion (AutoencoderKL), their small copies (AutoencoderTiny) and VQ-GANs (VQModel).
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from avsync.errors import UsageError
from avsync.files import all_finite
from avsync.reconstruct.face.interface import FaceFootage, RebuildFace
from avsync.reconstruct.face.tensors import resized, to_pictures, to_tensor
from avsync.weights.hub_model import blamed_on, read_json

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_SIDES = 64  # pixels; sides are a multiple, since networks halve them up to six times
_ENLARGED = (1, 2)  # times, before the network sees them: published ones learned faces larger than 128 pixels
_BATCH = 8  # pictures, which bounds the memory


def load_hub(source: str, device: str) -> RebuildFace:
    """Load an autoencoder; the function it returns is as `FaceReconstruction.function` says.

    The rng draws whether pictures are enlarged first, and for an AutoencoderKL whether its codes are drawn.

    Args:
        source: the folder.
        device: where it runs, as torch names it.

    Raises:
        UsageError: it is missing, damaged or of another kind, or diffusers is not installed.
    """
    folder = Path(source).expanduser()
    described = read_json(source, folder / "config.json")
    kind = described.get("_class_name")
    if kind not in _CODES:
        raise UsageError(f"{source}: a model of type {kind!r}; name one of these types: {', '.join(_CODES)}")
    if not (folder / _WEIGHTS).is_file():
        raise UsageError(f"{source}: {_WEIGHTS} is missing; add it to the folder")
    found = _class(source, kind)
    with blamed_on(source):
        model: Any = _read(found, described, folder / _WEIGHTS).to(device).eval()
    if (model.config.in_channels, model.config.out_channels) != (3, 3):
        raise UsageError(f"{source}: not an autoencoder of pictures with three colours; name another model")

    def rebuild(footage: FaceFootage, rng: np.random.Generator) -> NDArray[np.float32]:
        larger, seed = int(rng.choice(_ENLARGED)), int(rng.integers(2**31))
        draws = torch.Generator().manual_seed(seed) if rng.random() < 0.5 else None
        batches = torch.split(to_tensor(footage.pictures), _BATCH)
        with torch.inference_mode(), blamed_on(source):
            done = [_rebuilt(model, _CODES[kind], batch.to(device), larger, draws) for batch in batches]
        return to_pictures(torch.cat(done))

    return rebuild


def _read(kind: Any, described: dict[str, Any], weights: Path) -> nn.Module:
    """Build a model around its weights: nothing is allocated for a config that does not fit them."""
    with torch.device("meta"):
        model: nn.Module = kind.from_config(described)
    values = {name: value.float() for name, value in load_file(weights).items()}
    if not all(all_finite(value) for value in values.values()):
        raise ValueError("weights that are not finite")
    model.load_state_dict(values, assign=True)
    return model


def _class(source: str, kind: str) -> Any:
    try:
        return getattr(import_module("diffusers"), kind)
    except ImportError as error:
        missing = error.name or "diffusers"
        raise UsageError(f"{source}: needs the package '{missing}': pip install 'avsync[autoencoders]'") from error


def _rebuilt(model: Any, code: "Code", pictures: Tensor, larger: int, draws: torch.Generator | None) -> Tensor:
    """Encode and decode float32 [n, 3, S, S], 0 to 255."""
    size = pictures.shape[-1]
    seen = resized(pictures, larger * size, larger * size) if larger > 1 else pictures
    beyond = -seen.shape[-1] % _SIDES
    padded = torch.nn.functional.pad(seen, (0, beyond, 0, beyond), mode="replicate")
    decoded = model.decode(code(model, padded / 127.5 - 1, draws)).sample
    shown = ((decoded + 1) * 127.5)[..., : seen.shape[-2], : seen.shape[-1]].float().cpu()
    rebuilt: Tensor = resized(shown, size, size) if larger > 1 else shown
    return rebuilt.clamp(0, 255)


def _drawn(model: Any, pictures: Tensor, draws: torch.Generator | None) -> Tensor:
    """Mean of the codes of a variational autoencoder, or codes drawn around it."""
    codes = model.encode(pictures).latent_dist
    mean: Tensor = codes.mean
    if draws is None:
        return mean
    spread: Tensor = codes.std
    return mean + spread * torch.randn(mean.shape, generator=draws).to(mean.device)


def _codes(model: Any, pictures: Tensor, _draws: torch.Generator | None) -> Tensor:
    codes: Tensor = model.encode(pictures).latents
    return codes


Code = Callable[[Any, Tensor, torch.Generator | None], Tensor]
_CODES: dict[str, Code] = {"AutoencoderKL": _drawn, "AutoencoderTiny": _codes, "VQModel": _codes}
