"""Does the way of calibrating keep its level? Every person is judged by a calibration that has not seen them.

    python scripts/benchmark_calibration.py ROOT --output runs/folds

The people of a data set are dealt into folds by a hash of the identity, whatever their role. The clips of a fold, real
and fake, are judged by the embedded models, calibrated on the real clips of the other folds. It prints Markdown: the
share of real clips with a p-value at or below each level, which should be that level, for the verdict and for each
check; what fakes the verdict and each check find; and their AUC. So all real people count, not only those who report.
`benchmark_degraded.py --folds` does the same for clips that were made worse.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.bench import LEVEL
from benchmark.fakes import level_tables
from benchmark.folds import calibrated_folds, fold_of
from benchmark.report import circumstances, say, to_markdown

from avsync.datasets import open_dataset
from avsync.detector import Detector
from avsync.errors import AvsyncError
from avsync.evaluate import Settings, evaluate
from avsync.evaluate.protocols.clips_summary import ClipsSummary
from avsync.evaluate.results import VerdictFile
from avsync.score.verdict import Verdict


def main() -> None:
    """Calibrate fold by fold, judge every clip, and print the tables."""
    parser = argparse.ArgumentParser(description="Measure whether the way of calibrating keeps its level.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("--folds", type=int, default=4, help="how many parts the people are dealt into (default: 4)")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("runs/folds"), help="for the verdicts")
    options = parser.parse_args()
    try:
        records = open_dataset(options.root)
        real = [record for record in records if record.label == "real"]
        with TemporaryDirectory(prefix="avsync-") as folder:
            detectors = [
                Detector(weights, level=LEVEL) for weights in calibrated_folds(real, options.folds, Path(folder))
            ]
        fold = {record.path: fold_of(record.identity, options.folds) for record in records}

        def judge(path: Path, *, audio: Path | None = None) -> Verdict:
            return detectors[fold[path]].score(path, audio=audio)

        first = detectors[0]
        settings = Settings(
            first.model, first.weights_sha256, first.checks, "default", "dlib", LEVEL, first.calibration_sha256
        )
        summary = evaluate(records, judge, options.output, settings=settings, on_progress=partial(say, "clips"))
        assert isinstance(summary, ClipsSummary)
        verdicts = {name: stored.verdict for name, stored in VerdictFile(options.output, settings).read().items()}
        print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n")
        print(to_markdown(level_tables(records, verdicts, first.checks) | replace(summary, methods=[]).tables()))
        print("\n".join(summary.notes()))
    except AvsyncError as error:
        sys.exit(f"benchmark_calibration: {error}")


if __name__ == "__main__":
    main()
