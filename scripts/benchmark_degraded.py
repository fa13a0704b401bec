"""Degrade real clips step by step and measure how often they are called suspicious.

    python scripts/benchmark_degraded.py ROOT --clips 40 --jobs 2

prints a Markdown table. Only real clips of people of the role "report" are used; with `--folds N` those of everybody,
and a calibration judges them that has not seen them (`benchmark_calibration.py`). The steps are manipulations of
`avsync/evaluate/manipulations/registry.py`, down to what cannot be judged any more; `avsync evaluate --robustness`
measures the ordinary ones, with fakes. For each level of the p-value the table has the share of the judged clips that
the verdict calls suspicious, and for one level that of each check alone. A step is honest if a share is at most its
level plus 5 points: what cannot be judged any more must be refused.

- x264 crf 38, half size: the pictures are encoded again, by a low quality or at half the width and height;
- MP3 32 kbps, noise 10 dB: the sound is encoded again, by a low rate or with white noise 10 dB below the speech;
- frame rate: pictures are dropped, the file says the lower rate;
- repeated pictures: so many new ones per second, each shown until the next one is due, in a file of 25 per second;
- packet loss: packets of pictures and sound are left out at random, nothing is encoded again;
- flipped bytes: bytes of the media data are changed at random, the headers are whole;
- frozen: one picture stands still for some seconds while the sound goes on.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache, partial
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.bench import LEVEL
from benchmark.folds import calibrated_folds, fold_of
from benchmark.levels import Clip, share_at_most, with_p_value
from benchmark.report import say

from avsync.datasets.record import ClipRecord
from avsync.datasets.registry import open_dataset
from avsync.datasets.roles import with_role
from avsync.detector import Detector
from avsync.errors import AvsyncError
from avsync.evaluate.manipulations import MANIPULATIONS, Source, named
from avsync.evaluate.metrics import Estimate
from avsync.score.verdict import Verdict
from avsync.workers import run_jobs

LEVELS = (0.01, 0.05, 0.1, 0.2)

_STEPS = (
    "as it is,x264 crf 38,half size,MP3 32 kbps,noise 10 dB,frame rate,repeated pictures,packet loss,flipped bytes,"
    "frozen"
)

Judged = tuple[ClipRecord, Path | None]  # a clip, and the checkpoint that judges it
Job = tuple[str, int, Judged]  # the name of the step, and the clip, its number first


def main() -> None:
    """Print one row for each step, as soon as it is measured."""
    options = _options()
    try:
        checks = _detector(options.weights).checks
        real = [record for record in open_dataset(options.root) if record.label == "real"]
        with TemporaryDirectory(prefix="avsync-") as folder:
            clips = _clips(real, options, Path(folder))
            print(f"{len(clips)} real clips\n\n{heading(checks)}", flush=True)
            for name, verdicts in measured(clips, options):
                print(row(name, verdicts, checks), flush=True)
    except AvsyncError as error:
        sys.exit(f"benchmark_degraded: {error}")


def _clips(real: Sequence[ClipRecord], options: argparse.Namespace, folder: Path) -> list[Judged]:
    if not options.folds:
        return [(clip, options.weights) for clip in with_role(real, "report")[: options.clips]]
    folds = list(calibrated_folds(real, options.folds, folder, options.weights))
    return [(clip, folds[fold_of(clip.identity, options.folds)]) for clip in real[: options.clips]]


def measured(clips: Sequence[Judged], options: argparse.Namespace) -> Iterator[tuple[str, list[Clip]]]:
    """Yield each step and the verdicts on the clips that went through it, in the order of the clips."""
    jobs = [(step.name, index, judged) for step in named(options.only) for index, judged in enumerate(clips)]
    found: dict[str, dict[int, Verdict]] = {}
    with closing(run_jobs(judge, partial(next, iter(jobs), None), options.jobs)) as results:
        for done, (name, index, verdict) in enumerate(results, 1):
            say("degraded clips", done, len(jobs))
            found.setdefault(name, {})[index] = verdict
            if len(found[name]) == len(clips):
                yield name, [(clip.identity, found[name][index]) for index, (clip, _) in enumerate(clips)]


def judge(job: Job) -> Iterator[tuple[str, int, Verdict]]:
    """Yield the name of the step, the number of the clip, and the verdict on the degraded clip."""
    name, index, (clip, weights) = job
    with TemporaryDirectory(prefix="avsync-") as folder:
        source = Source(clip.path, clip.audio)
        worse = MANIPULATIONS[name].make(source, Path(folder) / "clip", random.Random(index))
        yield name, index, _detector(weights).score(worse)


@cache
def _detector(weights: Path | None) -> Detector:
    """One for each process and checkpoint."""
    return Detector(weights, level=LEVEL)


def heading(checks: Sequence[str]) -> str:
    """The first two lines of the table."""
    shares = [*(f"p ≤ {level:g}" for level in LEVELS), *(f"{check} ≤ {LEVEL:g}" for check in checks)]
    return f"| step | judged | {' | '.join(shares)} | refused |\n|---|---:|{'---:|' * len(shares)}---|"


def row(name: str, clips: Sequence[Clip], checks: Sequence[str]) -> str:
    """One row of the table: shares with 95 % bootstrap intervals by identity, and the reasons of refusals."""
    judged = with_p_value(clips)
    refused = Counter(str(verdict.reason) for _, verdict in clips if verdict.p_value is None)
    shares = [share_at_most(level, judged) for level in LEVELS]
    shares += [share_at_most(LEVEL, with_p_value(judged, check), check) for check in checks]
    reasons = ", ".join(f"{reason} {count}" for reason, count in refused.most_common()) or "–"
    return f"| {name} | {len(judged)} | {' | '.join(map(_percent, shares))} | {reasons} |"


def _percent(share: Estimate) -> str:
    return "–" if isnan(share.value) else f"{share.value:.0%} ({share.low:.0%}–{share.high:.0%})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Degrade real clips, and measure how often they are suspicious.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a calibrated checkpoint")
    parser.add_argument("--clips", type=int, metavar="N", default=40, help="at most so many (default: 40)")
    parser.add_argument("--folds", type=int, metavar="N", help="judge everybody, calibrated on the other folds of N")
    parser.add_argument("--jobs", type=int, metavar="N", default=1, help="processes (default: 1)")
    parser.add_argument(
        "--only", metavar="NAME,…", default=_STEPS, help=f"manipulations whose names begin so (default: {_STEPS})"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
