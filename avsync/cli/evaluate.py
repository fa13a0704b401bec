"""avsync evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsync.cli.clips import Fake, Real, RoleOption, Root, Split, chosen_clips
from avsync.cli.options import (
    Backbone,
    Checks,
    Dataset,
    Device,
    Faces,
    Features,
    Level,
    Quiet,
    Reading,
    Trim,
    Verbose,
    Weights,
)
from avsync.cli.printer import refuse_both, telling
from avsync.cli.robustness import CopyJobs, KeepCopies, Limit, Robustness, check_options, print_robustness
from avsync.errors import UsageError
from avsync.progress import counting

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord


def evaluate(
    root: Root = None,
    real: Real = None,
    fake: Fake = None,
    dataset: Dataset = None,
    split: Split = None,
    role: RoleOption = "report",
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How verdicts are summed up. Default: clips; speech for sound alone."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where verdicts are kept; run again to continue after a stop.")
    ] = Path("evaluation"),
    robustness: Robustness = None,
    limit: Limit = None,
    jobs: CopyJobs = None,
    keep_copies: KeepCopies = False,
    weights: Weights = None,
    checks: Checks = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    faces: Faces = "dlib",
    level: Level = 0.05,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure how well fakes, of video or of speech alone, are told from real clips."""
    from avsync.datasets import with_role
    from avsync.detector import Detector
    from avsync.evaluate import Settings, default_protocol, print_tables
    from avsync.evaluate import evaluate as run
    from avsync.evaluate.robustness import limited

    refuse_both(quiet=quiet, verbose=verbose)
    check_options(robustness, jobs, features, keep_copies=keep_copies)
    records = with_role(chosen_clips(root, dataset, split, real, fake), role)
    if limit is not None:
        records = limited(records, limit)
    options: dict[str, Any] = {
        "weights": weights,
        "checks": checks,
        "backbone": backbone,
        "reading": reading,
        "features": features,
        "trim": trim,
        "faces": faces,
        "level": level,
        "device": device,
        "baselines": True,
    }
    detector = Detector(**options)
    model = (detector.model, detector.weights_sha256, detector.checks)
    settings = Settings(*model, trim, faces, level, detector.calibration_sha256)
    if protocol is None and (protocol := default_protocol(records)) == "speech":
        typer.echo("No clip has a picture: --protocol speech.")
    judge = telling(detector.score) if verbose else detector.score
    with counting("evaluating", quiet=quiet or verbose) as on_progress:
        summary = run(records, judge, output, settings=settings, protocol=protocol, on_progress=on_progress)
    print_tables(summary.tables(), summary.notes())
    if robustness is not None:
        print_robustness(
            records,
            output,
            settings,
            robustness,
            options,
            jobs=jobs or 1,
            keep_copies=keep_copies,
            quiet=quiet or verbose,
        )
    _print_shortcuts(records, output / "audit", quiet=quiet or verbose)


def _print_shortcuts(records: "list[ClipRecord]", output: Path, *, quiet: bool) -> None:
    """Say what the files alone give away, for which no detector should be praised."""
    from avsync.evaluate.audit import audit

    try:
        with counting("auditing", quiet=quiet) as on_progress:
            found = audit(records, output, on_progress=on_progress)
    except UsageError as error:  # such as a data set of real clips alone
        typer.echo(f"No audit: {error}.", err=True)
    else:
        typer.echo(f"{found.beside()} See {output / 'audit.html'}")
