"""Make recordings of about a minute out of short clips, of which one is partly fake or none.

    python scripts/partial_fakes.py ROOT PARTIAL
    python scripts/partial_minutes.py PARTIAL OUTPUT

Like a news item, each recording shows one person after the other: a clip of PARTIAL, and real clips of other people in
random order before and after it. All are shown at one size and encoded once more. OUTPUT is a data set of the layout
`manifest`; `avsync evaluate OUTPUT` judges it.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from avsync.clip import SAMPLES
from avsync.datasets import ClipRecord, open_dataset
from avsync.media import FPS, Sound, frames, write_clip

_KINDS = ("another person 1 s", "another person 2 s", "rebuilt 1 s", "rebuilt 2 s")
_SECONDS = 60.0
_SIDE = 384  # pixels


def main() -> None:
    """Write the recordings and their table."""
    options = _options()
    rng = np.random.default_rng(options.seed)
    records = open_dataset(options.root)
    real = [record for record in records if record.label == "real"]
    options.output.mkdir(parents=True)
    with (options.output / "meta.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "identity", "method", "type", "audio_fake_segments", "visual_fake_segments"])
        for kind in ("real", *options.kinds):
            of_kind = [record for record in records if record.method == kind]
            for number in sorted(rng.permutation(len(of_kind))[: options.count]):
                table.writerow(_written(of_kind[number], real, rng, options.output))
                file.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make recordings of a minute with one clip that is partly fake.")
    parser.add_argument("root", type=Path, help="a data set that scripts/partial_fakes.py made")
    parser.add_argument("output", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--kinds", nargs="+", default=_KINDS, help="of fakes (default: %(default)s)")
    parser.add_argument("--count", type=int, default=20, help="recordings of each kind, and real ones (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _written(record: ClipRecord, real: Sequence[ClipRecord], rng: np.random.Generator, output: Path) -> list[str]:
    """Write the recording of a clip; return its row of the table."""
    others = [other for other in real if other.identity != record.identity]
    chosen, seconds = [record], 0.0
    for index in rng.permutation(len(others)):
        if seconds >= _SECONDS:
            break
        chosen.append(others[index])
        seconds += sum(1 for _ in frames(others[index].path)) / FPS
    rng.shuffle(chosen)
    pictures, sounds, start = list[NDArray[np.uint8]](), list[NDArray[np.float32]](), 0.0
    for clip in chosen:
        shown = list(_pictures(clip.path))
        if clip is record:
            start = len(pictures) / FPS
        pictures += shown
        sounds.append(Sound(clip.path, []).reader().read(0, len(shown) * SAMPLES))
    name = f"{Path(record.name).stem}.mp4"
    write_clip(output / name, pictures, np.concatenate(sounds))
    spans = [[round(begin + start, 3), round(end + start, 3)] for begin, end in record.fake_spans]
    kind = record.method
    return [name, record.label, record.identity, kind, record.type if spans else "", f"{spans}" if spans else "", ""]


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Each picture of a clip, uint8 [384, 384, 3], with black bars where it is not square."""
    for frame in frames(path, colour=True):
        yield np.asarray(ImageOps.pad(Image.fromarray(frame.image), (_SIDE, _SIDE)))


if __name__ == "__main__":
    main()
