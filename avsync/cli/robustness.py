"""The options of avsync evaluate about manipulated copies, and what it prints of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from avsync.cli.judging import Side
from avsync.errors import UsageError
from avsync.progress import counting

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord
    from avsync.evaluate import Settings

Robustness = Annotated[
    Literal["quick", "full"] | None,
    typer.Option(
        "--robustness",
        help="Also judge manipulated copies of every clip: other codecs, noise, pitch, size, tone and more. quick: 22 "
        "manipulations, full: 57; each asks every clip once more. See also --limit.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", help="At most N real clips and N fakes, always the same ones.")
]
CopyJobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Clips, and with --robustness copies, judged side by side, each in a process with limits; each job loads "
        "the model. Default: one after another in this process; copies in one process.",
    ),
]
KeepCopies = Annotated[
    bool,
    typer.Option(
        "--keep-copies",
        help="With --robustness: leave the copies in OUTPUT/robustness/copies. Otherwise they are deleted when judged.",
    ),
]


def check_options(robustness: str | None, jobs: int | None, features: Path | None, *, keep_copies: bool) -> None:
    """Refuse options that mean nothing together.

    Raises:
        UsageError: they are such.
    """
    if robustness is None and keep_copies:
        raise UsageError("--keep-copies goes with --robustness")
    if robustness is not None and features is not None:
        raise UsageError("--features holds those of the clips, not of their copies: leave it out with --robustness")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: must be at least 1")


def print_robustness(
    records: "Sequence[ClipRecord]",
    output: Path,
    settings: "Settings",
    suite: str,
    options: dict[str, Any],
    *,
    side: Side,
    keep_copies: bool,
    quiet: bool,
) -> None:
    """Judge manipulated copies of clips that have a verdict in `output`, in worker processes, and print the tables.

    Args:
        records: the clips.
        output: the folder of the evaluation.
        settings: what the verdicts there were made with.
        suite: "quick" or "full".
        options: those of the detector.
        side: how copies are made and judged side by side.
        keep_copies: leave the copies.
        quiet: show no progress.
    """
    from avsync.engine import MB, Limits, open_engine
    from avsync.evaluate import print_tables
    from avsync.evaluate.results import VerdictFile
    from avsync.evaluate.robustness import measure_robustness
    from avsync.isolation import IsolatedDetector

    before = VerdictFile(output, settings).read()
    engine, limits = open_engine(side.engine), Limits(side.timeout, side.max_memory * MB)
    with (
        IsolatedDetector(
            jobs=side.jobs, timeout=side.timeout, max_memory=side.max_memory, engine=engine, **options
        ) as detector,
        counting("manipulating", quiet=quiet) as on_progress,
    ):
        summary = measure_robustness(
            records,
            before,
            detector.score_all,
            output,
            settings=settings,
            suite=suite,
            jobs=side.jobs,
            engine=engine,
            limits=limits,
            keep_copies=keep_copies,
            on_progress=on_progress,
        )
    print_tables(summary.tables(), summary.notes())
