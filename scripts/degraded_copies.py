"""Write degraded copies of the real clips that calibrate a model, so that it knows what worse recordings look like.

    python scripts/degraded_copies.py ROOT OUTPUT
    avsync calibrate ROOT OUTPUT --weights FILE

OUTPUT is laid out as VoxCeleb2, with the same identities: a person weighs the same, however many copies there are.
"""

import argparse
import random
import sys
from pathlib import Path

from benchmark.report import say

from avsync.datasets.splits import calibration_records
from avsync.errors import AvsyncError
from avsync.evaluate.manipulations import Source, named

_STEPS = "x264 crf 38,half size,noise 10 dB,frame rate 15,packet loss 10"


def main() -> None:
    """Write a copy of every clip for every step."""
    parser = argparse.ArgumentParser(description="Write degraded copies of the real clips that calibrate a model.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="for the copies")
    parser.add_argument(
        "--only", metavar="NAME,…", default=_STEPS, help=f"manipulations that begin so (default: {_STEPS})"
    )
    options = parser.parse_args()
    try:
        records, chosen = calibration_records(options.root), named(options.only)
        for done, record in enumerate(records, 1):
            for step in chosen:
                folder = options.output / "dev/mp4" / record.identity / step.name.replace(" ", "_")
                step.make(Source(record.path, record.audio), folder / record.path.stem, random.Random(done))
            say("clips", done, len(records))
    except AvsyncError as error:
        sys.exit(f"degraded_copies: {error}")


if __name__ == "__main__":
    main()
