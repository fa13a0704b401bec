"""Does the way of calibrating keep its level? Every real person is judged by a calibration that has not seen them.

    python scripts/benchmark_calibration.py ROOT

The people of a data set are dealt into folds by a hash of the identity, whatever their role. The clips of a fold are
judged by the embedded models, calibrated on the other folds. It prints Markdown: the share of real clips with a p-value
at or below each level, for the verdict and for each check, which should be that level. `benchmark_degraded.py --folds`
does the same for clips that were made worse.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.folds import calibrated_folds
from benchmark.levels import Clip, reliability
from benchmark.report import circumstances, to_markdown

from avsync.datasets import open_dataset
from avsync.detector import Detector
from avsync.errors import AvsyncError


def main() -> None:
    """Calibrate and judge fold by fold, and print the table."""
    parser = argparse.ArgumentParser(description="Measure whether the way of calibrating keeps its level.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("--folds", type=int, default=4, help="how many parts the people are dealt into (default: 4)")
    options = parser.parse_args()
    try:
        real = [record for record in open_dataset(options.root) if record.label == "real"]
        clips: list[Clip] = []
        with TemporaryDirectory(prefix="avsync-") as folder:
            for weights, records in calibrated_folds(real, options.folds, Path(folder)):
                detector = Detector(weights)
                clips += [(r.identity, detector.score(r.path, audio=r.audio)) for r in records]
        print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n")
        print(to_markdown({"Real clips at or below each level": reliability(clips, sorted(clips[0][1].checks))}))
        print(f"{sum(verdict.p_value is None for _, verdict in clips)} of {len(clips)} clips could not be judged.")
    except AvsyncError as error:
        sys.exit(f"benchmark_calibration: {error}")


if __name__ == "__main__":
    main()
