"""Checkpoints that are damaged or lie: our own pairs of files, and published ones to be converted."""

import json
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from avsync.align.mlp import MLPAligner, MLPConfig
from avsync.checkpoint import EMBEDDED
from avsync.convert import convert
from avsync.detector import Detector
from fuzzing import trees
from fuzzing.damage import damaged
from fuzzing.draw import Rng, count, lie, pick

Answer = dict[str, Any]


class Models:
    """Makes checkpoints in a folder.

    Args:
        folder: where they are written.
        clip: a clip that every model that loads must judge with finite numbers.
    """

    def __init__(self, folder: Path, clip: Path) -> None:
        self._folder, self._clip = folder, clip
        self._weights, self._notes = EMBEDDED.read_bytes(), EMBEDDED.with_suffix(".json").read_bytes()
        torch.manual_seed(0)
        head = {"state_dict": MLPAligner(MLPConfig(lips=8, speech=8)).state_dict()}
        self._pickles = tuple(_saved(head, zipped) for zipped in (True, False))

    def pair(self, rng: Rng) -> str:
        """Write model.safetensors and model.json, one of them damaged, or with lies in numbers, names and shapes."""
        weights, notes, said = self._weights, self._notes, ""
        match int(rng.integers(4)):
            case 0:
                weights, said = damaged(rng, weights, notes)
            case 1:
                notes, said = damaged(rng, notes, weights)
            case 2:
                tree, said = trees.lied(rng, json.loads(notes))
                notes = json.dumps(tree).encode()
            case _:
                tensors, said = _odd(rng, load_tensors(weights))
                weights = save_tensors(tensors)
                notes = json.dumps({**json.loads(notes), "weights_sha256": sha256(weights).hexdigest()}).encode()
        (self._folder / "model.safetensors").write_bytes(weights)
        (self._folder / "model.json").write_bytes(notes)
        return said

    def load_pair(self) -> Answer:
        """Load the pair and judge a clip with it. The clip is a good one: what is refused is refused for the model."""
        verdict = Detector(weights=self._folder / "model.safetensors", device="cpu").score(self._clip)
        json.dumps(verdict.to_dict(), allow_nan=False)
        assert verdict.p_value is None or 0 < verdict.p_value <= 1, verdict.p_value
        outcome = "refused" if verdict.reason else verdict.verdict
        return {"outcome": outcome, "detail": str(verdict.detail or verdict.p_value)}

    def pickle(self, rng: Rng) -> str:
        """Write published.pt, a head in one of PyTorch's formats: damaged, or with lies in its pickle."""
        zipped = rng.random() < 0.6
        data = self._pickles[0 if zipped else 1]
        if zipped and rng.random() < 0.6:
            data, said = _rezipped(rng, data)
        else:
            data, said = damaged(rng, data, self._weights)
        (self._folder / "published.pt").write_bytes(data)
        return said

    def convert_pickle(self) -> Answer:
        """Convert it."""
        convert(self._folder / "published.pt", self._folder / "converted.safetensors")
        return {"outcome": "converted"}


def _saved(content: Any, zipped: bool) -> bytes:
    file = BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _rezipped(rng: Rng, data: bytes) -> tuple[bytes, str]:
    """Change the pickle, or another entry, inside an archive that stays whole."""
    file, said = BytesIO(), ""
    with ZipFile(BytesIO(data)) as old, ZipFile(file, "w") as new:
        entries = old.infolist()
        chosen = 0 if rng.random() < 0.8 else int(rng.integers(len(entries)))
        for number, entry in enumerate(entries):
            content = old.read(entry)
            if number == chosen:
                content, said = _small_lies(rng, content)
                said = f"{entry.filename}: {said}"
            if rng.random() < 0.02:
                said += f", {entry.filename} left out"
                continue
            new.writestr(entry.filename, content)
    return file.getvalue(), said


def _small_lies(rng: Rng, content: bytes) -> tuple[bytes, str]:
    changed, many = bytearray(content), count(rng, 12)
    for _ in range(many if changed else 0):
        at = int(rng.integers(len(changed)))
        changed[at] = lie(rng, changed[at], 8)
    return bytes(changed), f"{many} bytes changed"


def _odd(rng: Rng, tensors: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    name = pick(rng, [key for key, tensor in tensors.items() if tensor.is_floating_point()])
    value = tensors[name].clone()
    match int(rng.integers(7)):
        case 0:
            value.view(-1)[int(rng.integers(value.numel()))] = pick(rng, (np.nan, np.inf, 1e38, -1e38))
            said = "one odd number"
        case 1:
            factor = pick(rng, (0.0, -1.0, 1e6, 1e20, 1e38))
            value, said = value * factor, f"multiplied by {factor}"
        case 2:
            value, said = value.reshape(-1), "flat"
        case 3:
            value, said = value.to(pick(rng, (torch.float16, torch.int64, torch.uint8, torch.float64))), "another type"
        case 4:
            del tensors[name]
            return tensors, f"{name}: left out"
        case 5:
            tensors[name + "x"], said = value.clone(), "doubled"
        case _:
            factor = pick(rng, (1e20, 1e38, 0.0))
            return {key: tensor * factor for key, tensor in tensors.items()}, f"all multiplied by {factor}"
    return {**tensors, name: value}, f"{name}: {said}"
