"""How fast the head of AVH-Align trains here, and in a first implementation, pair by pair. Prints Markdown.

    python scripts/benchmark_training.py

Both read the same feature files and take the same steps. With the same weights they must give the same numbers.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from benchmark.report import Tables, circumstances, say, to_markdown
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn.functional import normalize
from torch.optim import Adam

from avsync.align import TAU, MLPAligner, MLPConfig
from avsync.align.mlp.data import Batch, Frames, cut, whole_clips
from avsync.datasets.record import REAL_TYPE, ClipRecord

_AGREE = 1e-5
Loss = Callable[[MLPAligner], Tensor]


@dataclass(frozen=True)
class _Clip:
    """Made-up features, each clip in a file of its own."""

    record: ClipRecord
    path: Path

    @property
    def key(self) -> str:
        return self.path.stem

    def frames(self) -> int:
        with safe_open(self.path, framework="np") as tensors:
            return int(tensors.get_slice("speech_share").get_shape()[0])

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        with safe_open(self.path, framework="np") as tensors:
            rows: NDArray[Any] = tensors.get_slice(name)[start:stop]
            return rows


def main() -> None:
    """Measure both by turns, compare what they computed, and print the table."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with TemporaryDirectory(prefix="avsync-") as folder:
        clips = [_clip(Path(folder) / f"{index}.safetensors", options.frames) for index in range(options.clips)]
        tables = _measure(clips, options.batch, options.runs)
    facts = {**circumstances(), "threads": options.threads}
    print(", ".join(f"{name} {fact}" for name, fact in facts.items()), end="\n\n")
    print(to_markdown(tables))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how fast the head of AVH-Align trains on a CPU.")
    parser.add_argument("--clips", type=int, default=60, help="feature clips that are made up (default: 60)")
    parser.add_argument("--frames", type=int, default=150, help="frames of each (default: 150)")
    parser.add_argument("--batch", type=int, default=1024, help="frames per step (default: 1024)")
    parser.add_argument("--runs", type=int, default=5, help="epochs of each, by turns (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    return parser.parse_args()


def _clip(path: Path, frames: int) -> _Clip:
    """Random features of 1024 values a frame, half of them common to lips and speech; all of it is speech."""
    rng = np.random.default_rng(int(path.stem))
    common, *own = rng.normal(size=(3, frames, 1024))
    lips, speech = ((common + noise).astype(np.float16) for noise in own)
    save_file({"lips": lips, "speech": speech, "speech_share": np.ones(frames, np.float32)}, path)
    return _Clip(ClipRecord(path, path.name, "real", REAL_TYPE, "real", path.stem, path.stem), path)


def _measure(clips: Sequence[_Clip], size: int, runs: int) -> Tables:
    ours = MLPAligner(MLPConfig())
    trainings = {"pair by pair": (deepcopy(ours), _pair_by_pair), "avsync": (ours, _ours)}
    frames = sum(clip.frames() for clip in clips)
    rates: dict[str, list[float]] = {name: [] for name in trainings}
    for run in range(runs):
        for name, (model, losses) in trainings.items():
            start = perf_counter()
            _epoch(losses(clips, size), model)
            rates[name].append(frames / (perf_counter() - start))
        say("runs", run + 1, runs)
    by_loss, by_lattice = _losses_apart(ours, clips, size), _lattices_apart(ours, clips[0])
    if max(by_loss, by_lattice) > _AGREE:
        sys.exit(f"benchmark_training: the two do not agree: losses differ by {by_loss}, lattices by {by_lattice}")
    return {
        f"Epochs of {frames} frames": [
            {
                "training": name,
                "frames/s": round(median(rate)),
                "slowest": round(min(rate)),
                "fastest": round(max(rate)),
            }
            for name, rate in rates.items()
        ],
        f"Medians of {runs} runs, and how far apart the results are": [
            {
                "times as fast": median(fast / slow for slow, fast in zip(*rates.values(), strict=True)),
                "loss": by_loss,
                "lattice": by_lattice,
            }
        ],
    }


def _epoch(losses: Iterator[Loss], model: MLPAligner) -> None:
    optimizer = Adam(model.parameters(), lr=1e-5)
    for loss_of in losses:
        optimizer.zero_grad()
        torch.autograd.backward(loss_of(model))
        optimizer.step()


def _ours(clips: Sequence[_Clip], size: int) -> Iterator[Loss]:
    frames = Frames(cut(whole_clips(clips), size))
    for index in range(len(frames)):
        yield partial(_loss, frames[index])


def _loss(batch: Batch, model: MLPAligner) -> Tensor:
    return model.loss(*batch)


def _pair_by_pair(clips: Sequence[_Clip], size: int) -> Iterator[Loss]:
    """A first implementation: a list of windows, and one call of the network on all pairs of a batch."""
    lips, windows = list[Tensor](), list[Tensor]()
    for clip in clips:
        own, speech = (normalize(torch.from_numpy(clip.read(name)).float(), dim=1) for name in ("lips", "speech"))
        outside = torch.zeros(speech.shape[1])
        for t in range(len(own)):
            nearby = range(t - TAU, t + TAU + 1)
            windows.append(torch.stack([speech[at] if 0 <= at < len(speech) else outside for at in nearby]))
            lips.append(own[t])
            if len(lips) == size:
                yield partial(_all_pairs, torch.stack(lips), torch.stack(windows))
                lips, windows = [], []
    if lips:
        yield partial(_all_pairs, torch.stack(lips), torch.stack(windows))


def _all_pairs(lips: Tensor, windows: Tensor, model: MLPAligner) -> Tensor:
    projected = model.visual_proj(lips[:, None].repeat(1, windows.shape[1], 1))
    scores: Tensor = model.mlp(torch.cat([projected, model.audio_proj(windows)], dim=2))[..., 0]
    return -scores.log_softmax(dim=1)[:, TAU].mean()


@torch.no_grad()
def _losses_apart(model: MLPAligner, clips: Sequence[_Clip], size: int) -> float:
    """The largest difference of the losses of a batch, computed in both ways."""
    batches = zip(_pair_by_pair(clips, size), _ours(clips, size), strict=True)
    return max(float((theirs(model) - ours(model)).abs()) for theirs, ours in batches)


@torch.inference_mode()
def _lattices_apart(model: MLPAligner, clip: _Clip) -> float:
    """The largest difference of the lattices of a clip, computed in both ways."""
    names = ("lips", "speech", "speech_share")
    lips, speech, share = (torch.from_numpy(clip.read(name)).float() for name in names)
    lattice = model.lattice(lips, speech, share)
    lips, speech = model.visual_proj(normalize(lips, dim=1)), model.audio_proj(normalize(speech, dim=1))
    inside = (~lattice.isnan()).nonzero().tolist()
    scores = [model.mlp(torch.cat([lips[t], speech[t + offset - TAU]])) for t, offset in inside]
    return float((torch.cat(scores) - lattice[~lattice.isnan()]).abs().max())


if __name__ == "__main__":
    main()
