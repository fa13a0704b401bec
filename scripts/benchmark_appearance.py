"""Look at a model of the appearance check, and measure how fast faces are rebuilt.

    python scripts/benchmark_appearance.py auc FILE
    python scripts/benchmark_appearance.py stability ROOT FILE
    python scripts/benchmark_appearance.py speed

`auc` prints what the training found on people that were left out, by kind of reconstruction (`model.json`).

`stability` reads real clips of people with the role "calibrate"; fakes are not looked at. The square around each face
is encoded by x264 at crf 35, shown at half its size, or denoised, and the score of the first three seconds is compared
with the score of the same pictures as they are. A shift is given in standard deviations of the scores over people.

`speed` prints how many pictures per second untrained autoencoders rebuild, one after another.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from benchmark.report import say
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from avsync.appearance import AppearanceModel
from avsync.appearance.config import SIDE
from avsync.appearance.data import grey
from avsync.checkpoint import load_checkpoint
from avsync.datasets.splits import calibration_records
from avsync.errors import AvsyncError, CannotJudge
from avsync.media import FPS
from avsync.reconstruct.autoencoder import AutoencoderConfig, AutoencoderModel
from avsync.reconstruct.autoencoder.config import KINDS, SIZES
from avsync.reconstruct.camera import encoded
from avsync.reconstruct.face.footage import read_footage
from avsync.reconstruct.face.interface import FaceFootage

Pictures = NDArray[np.uint8]

_WINDOW = 3 * FPS  # frames that are scored
_PICTURES = 50  # that are rebuilt to measure the speed


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description="Look at a model of the appearance check.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("speed", help="pictures per second of autoencoders")
    for verb, text in (("auc", "AUC by kind on people left out"), ("stability", "scores of manipulated real clips")):
        of = verbs.add_parser(verb, help=text)
        if verb == "stability":
            of.add_argument(
                "root", type=Path, metavar="ROOT", help="a data set; its real clips that calibrate are used"
            )
        of.add_argument("weights", type=Path, metavar="FILE", help="a model.safetensors")
    options = parser.parse_args()
    try:
        match options.verb:
            case "auc":
                lines = aucs(options.weights)
            case "stability":
                lines = shifts(options.root, options.weights)
            case _:
                lines = speeds()
        for line in lines:
            print(line, flush=True)
    except AvsyncError as error:
        sys.exit(f"benchmark_appearance: {error}")


def aucs(weights: Path) -> Iterator[str]:
    """A table of what `model.json` says."""
    said = json.loads(weights.with_suffix(".json").read_text())["provenance"]
    left_out = said["config"].get("rebuild", said["config"].get("stress", {}))["left_out"]
    yield "| kind | | AUC |\n|---|---|---:|"
    for name, value in said["metrics"].items():
        kind = name.removeprefix("auc_")
        yield f"| {Path(kind).name} | {'left out' if kind in left_out else ''} | {value:.3f} |"


def shifts(root: Path, weights: Path) -> Iterator[str]:
    """A table of how far scores of real clips move."""
    model = load_checkpoint(weights).model
    assert isinstance(model, AppearanceModel)
    scores: dict[str, list[float]] = {name: [] for name in _CHANGES}
    records = calibration_records(root)
    for done, record in enumerate(records, 1):
        say("clips", done, len(records))
        try:
            longest = max(read_footage(record.path, record.audio, size=SIDE), key=len)[:_WINDOW]
        except CannotJudge:
            continue
        for name, change in _CHANGES.items():
            scores[name].append(model.read(grey(change(longest.pictures))).score)
    plain = np.array(scores["as it is"])
    yield f"{len(plain)} clips, scores as they are {plain.mean():.2f} ± {plain.std():.2f}\n"
    yield "| real clips | shift |\n|---|---:|"
    for name, values in scores.items():
        yield f"| {name} | {(np.array(values) - plain).mean() / plain.std():+.2f} |"


def speeds() -> Iterator[str]:
    """A table of pictures per second."""
    yield f"{torch.get_num_threads()} threads\n\n| autoencoder | pixels | pictures per second |\n|---|---:|---:|"
    for size in SIZES:
        noise = np.random.default_rng(0).integers(0, 256, (_PICTURES, size, size, 3), np.uint8)
        points, squares = np.zeros((_PICTURES, 68, 2), np.float32), np.zeros((_PICTURES, 3), np.int64)
        footage = FaceFootage(noise, points, squares, 0.0)
        for kind in KINDS:
            model = AutoencoderModel(AutoencoderConfig(kind=kind, size=size)).eval()
            model.rebuild(footage[:16])
            start = perf_counter()
            model.rebuild(footage)
            yield f"| {kind} | {size} | {_PICTURES / (perf_counter() - start):.0f} |"


def _half(pictures: Pictures) -> Pictures:
    size = (SIDE // 2, SIDE // 2)
    return _each(pictures, lambda image: image.resize(size, Image.Resampling.BICUBIC).resize((SIDE, SIDE)))


def _denoised(pictures: Pictures) -> Pictures:
    return _each(pictures, lambda image: image.filter(ImageFilter.MedianFilter(3)))


def _each(pictures: Pictures, change: Callable[[Image.Image], Image.Image]) -> Pictures:
    return np.stack([np.asarray(change(Image.fromarray(picture))) for picture in pictures])


_CHANGES: dict[str, Callable[[Pictures], Pictures]] = {
    "as it is": lambda pictures: pictures,
    "x264 crf 35": lambda pictures: encoded(pictures, "libx264", 35, "medium"),
    "half size": _half,
    "denoised (median of 3 by 3)": _denoised,
}


if __name__ == "__main__":
    main()
