"""avsync evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.clips import Fake, Real, RoleOption, Root, Split, chosen_clips
from avsync.cli.options import Backbone, Checks, Dataset, Device, Faces, Features, Level, Reading, Trim, Weights
from avsync.progress import counting


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
    weights: Weights = None,
    checks: Checks = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    faces: Faces = "dlib",
    level: Level = 0.05,
    device: Device = None,
) -> None:
    """Measure how well fakes, of video or of speech alone, are told from real clips."""
    from avsync.datasets import with_role
    from avsync.detector import Detector
    from avsync.evaluate import Settings, default_protocol, print_tables
    from avsync.evaluate import evaluate as run

    records = with_role(chosen_clips(root, dataset, split, real, fake), role)
    detector = Detector(
        weights,
        checks=checks,
        backbone=backbone,
        reading=reading,
        features=features,
        trim=trim,
        faces=faces,
        level=level,
        device=device,
        baselines=True,
    )
    model = (detector.model, detector.weights_sha256, detector.checks)
    settings = Settings(*model, trim, faces, level, detector.calibration_sha256)
    if protocol is None and (protocol := default_protocol(records)) == "speech":
        typer.echo("No clip has a picture: --protocol speech.")
    with counting("evaluating") as on_progress:
        summary = run(records, detector.score, output, settings=settings, protocol=protocol, on_progress=on_progress)
    print_tables(summary.tables(), summary.notes())
