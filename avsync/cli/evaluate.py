"""avsync evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsync.cli.clips import Fake, Real, Root, Split, chosen_clips
from avsync.cli.comparison import Comparing, Figures, Methods, Plots, draw, places, write_tables
from avsync.cli.judging import Side, judging, side_by_side
from avsync.cli.options import (
    Backbone,
    Checks,
    Dataset,
    Device,
    Engine,
    Faces,
    Features,
    Level,
    MaxMemory,
    Quiet,
    Reading,
    Timeout,
    Verbose,
    Weights,
)
from avsync.cli.printer import refuse_both, telling
from avsync.cli.protocol import Protocol, ProtocolRole, ProtocolTrim, choose
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
    role: ProtocolRole = None,
    protocol: Protocol = None,
    methods: Methods = None,
    output: Annotated[
        Path,
        typer.Option(
            metavar="DIR|FILE",
            help="Where verdicts are kept; run again to continue after a stop. A FILE.md or FILE.tex also gets the "
            "tables; verdicts are then kept in the folder FILE.",
        ),
    ] = Path("evaluation"),
    plots: Plots = None,
    robustness: Robustness = None,
    limit: Limit = None,
    jobs: CopyJobs = None,
    engine: Engine = None,
    timeout: Timeout = None,
    max_memory: MaxMemory = 4096,
    keep_copies: KeepCopies = False,
    weights: Weights = None,
    checks: Checks = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: ProtocolTrim = None,
    faces: Faces = "dlib",
    level: Level = 0.05,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure how well fakes, of video or of speech alone, are told from real clips."""
    from avsync.datasets import with_role
    from avsync.evaluate import default_protocol, print_tables
    from avsync.evaluate import evaluate as run
    from avsync.evaluate.plots import need_matplotlib
    from avsync.evaluate.results import VerdictFile
    from avsync.evaluate.robustness import limited
    from avsync.stress import USE, stress_root

    refuse_both(quiet=quiet, verbose=verbose)
    check_options(robustness, jobs, features, keep_copies=keep_copies)
    if robustness is not None and methods is not None:
        raise UsageError("--robustness is of one method: leave --methods out")
    if plots is not None:
        need_matplotlib()  # before hours of work
    side = side_by_side(engine, jobs, timeout, max_memory)
    chosen = choose(protocol, role, trim)
    folder, table = places(output)
    records = with_role(chosen_clips(root, dataset, split, real, fake), chosen.role)
    if limit is not None:
        records = limited(records, limit)
    options: dict[str, Any] = {
        "weights": weights,
        "checks": checks,
        "backbone": backbone,
        "reading": reading,
        "features": features,
        "trim": chosen.trim if weights or backbone or methods else chosen.own_trim,
        "faces": faces,
        "level": level,
        "device": device,
        "baselines": True,
    }
    own_tables = protocol is not None
    if protocol is None:
        protocol = default_protocol(records)
        if protocol == "speech":
            typer.echo("No clip has a picture: --protocol speech.")
    if methods is not None:
        comparing = Comparing(methods, options, own_trim=chosen.own_trim, protocol=protocol, own_tables=own_tables)
        figures = comparing.run(records, folder, side, quiet=quiet, verbose=verbose)
    else:
        with (
            judging(options, side) as (judge, settings),
            counting("evaluating", quiet=quiet or verbose) as on_progress,
        ):
            told = telling(judge) if verbose else judge
            summary = run(records, told, folder, settings=settings, protocol=protocol, on_progress=on_progress)
        verdicts = {} if plots is None else {"verdict": VerdictFile(folder, settings).read()}
        figures = Figures(summary.tables(), summary.notes(), verdicts)
    if protocol != "stress" and stress_root((record.path, record.name) for record in records) is not None:
        figures.notes.append(USE)
    print_tables(figures.tables, figures.notes)
    write_tables(figures, table)
    if plots is not None:
        draw(figures, records, plots)
    if robustness is not None:
        print_robustness(
            records,
            folder,
            settings,
            robustness,
            options,
            side=side or Side("local", 1, timeout, max_memory),
            keep_copies=keep_copies,
            quiet=quiet or verbose,
        )
    _print_shortcuts(records, folder / "audit", side, quiet=quiet or verbose)


def _print_shortcuts(records: "list[ClipRecord]", output: Path, side: Side | None, *, quiet: bool) -> None:
    """Say what the files alone give away, for which no detector should be praised."""
    from avsync.engine import open_engine
    from avsync.evaluate.audit import audit

    try:
        with counting("auditing", quiet=quiet) as on_progress:
            where: dict[str, Any] = {} if side is None else {"jobs": side.jobs, "engine": open_engine(side.engine)}
            found = audit(records, output, **where, on_progress=on_progress)
    except UsageError as error:  # such as a data set of real clips alone
        typer.echo(f"No audit: {error}.", err=True)
    else:
        typer.echo(f"{found.beside()} See {output / 'audit.html'}")
