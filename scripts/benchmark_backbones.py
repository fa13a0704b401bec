"""How much time and memory AV-HuBERT takes on a CPU, with random weights. Prints Markdown.

python scripts/benchmark_backbones.py
"""

import argparse
import resource
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from benchmark.report import Row, Tables, circumstances, say, to_markdown
from torch import Tensor

from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig
from avsync.encoders.avhubert.preprocess import AUDIO_FEATURES
from avsync.face import LIP_SIDE
from avsync.media import FPS

_MODELS = {
    "base": AVHuBERTConfig(layers=12, width=768, ffn_width=3072, heads=12),
    "large": AVHuBERTConfig(layers=24, width=1024, ffn_width=4096, heads=16),
}


def main() -> None:
    """Measure one model, and print the table."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = AVHuBERT(_MODELS[options.model]).eval()
    rows = _measure(model, options.seconds * FPS, options.runs)
    facts = {**circumstances(), "threads": options.threads, "peak memory": f"{_peak() / 1e9:.1f} GB"}
    tables: Tables = {f"AV-HuBERT {options.model}, {options.seconds} s of audio and video": rows}
    print(", ".join(f"{name} {fact}" for name, fact in facts.items()), end="\n\n")
    print(to_markdown(tables))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how long AV-HuBERT takes on a CPU.")
    parser.add_argument("--model", choices=list(_MODELS), default="large", help="its size (default: large)")
    parser.add_argument("--seconds", type=int, default=10, help="length of the clip (default: 10)")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many is reported (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    return parser.parse_args()


@torch.inference_mode()
def _measure(model: AVHuBERT, frames: int, runs: int) -> list[Row]:
    """Seconds of each part and of the whole, the parts by turns."""
    mouths, audio = torch.randn(frames, LIP_SIDE, LIP_SIDE), torch.randn(1, frames, AUDIO_FEATURES)
    video = model.resnet(mouths)[None]

    def both_alone() -> None:
        model.encoder(model.fuse(video=model.resnet(mouths)[None]))
        model.encoder(model.fuse(audio=audio))

    def all_three() -> None:
        own = model.resnet(mouths)[None]
        for inputs in ((None, own), (audio, None), (audio, own)):
            model.encoder(model.fuse(*inputs))

    parts: dict[str, Callable[[], Tensor | None]] = {
        "ResNet": lambda: model.resnet(mouths),
        "video alone, after the ResNet": lambda: model.encoder(model.fuse(video=video)),
        "audio alone": lambda: model.encoder(model.fuse(audio=audio)),
        "ResNet, video alone, audio alone": both_alone,
        "ResNet, video alone, audio alone, both": all_three,
    }
    spent: dict[str, list[float]] = {name: [] for name in parts}
    for run in range(runs + 1):  # the first warms up
        for name, part in parts.items():
            start = perf_counter()
            part()
            spent[name].append(perf_counter() - start)
        say("runs", run + 1, runs + 1)
    return [
        {"what": name, "seconds": median(each[1:]), "fastest": min(each[1:]), "slowest": max(each[1:])}
        for name, each in spent.items()
    ]


def _peak() -> int:
    """The most memory this process has held (bytes), weights included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
