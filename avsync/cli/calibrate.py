"""avsync calibrate."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.options import Backbone, Checks, Dataset, Device, Faces, Features, Quiet, Reading, Trim, Weights
from avsync.progress import counting


def calibrate(
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT", help="Data sets with real recordings.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The calibrated checkpoint.")] = Path(
        "calibrated.safetensors"
    ),
    dataset: Dataset = None,
    weights: Weights = None,
    checks: Checks = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    faces: Faces = "dlib",
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """Measure real recordings, so that scores become p-values.

    Takes the real clips of people whose role is to calibrate (about half of them, by a hash of the identity) and whom
    the model has not been trained on.
    """
    from avsync.calibrate import calibrate as run
    from avsync.checks.load import load_setup
    from avsync.datasets.splits import calibration_records

    records = [record for root in roots for record in calibration_records(root, dataset)]
    setup = load_setup(
        weights,
        checks=checks,
        backbone=backbone,
        reading=reading,
        features=features,
        trim=trim,
        faces=faces,
        device=device,
        calibrating=True,
    )
    with counting("calibrating", quiet=quiet) as on_progress:
        calibration = run(records, setup, output, on_progress=on_progress)
    reference = next(iter(calibration.references.values()))
    counts = ", ".join(f"{n:.0f} of {s:g} s" for s, n in zip(reference.seconds, reference.people, strict=True))
    print(f"{output}: people with real windows: {counts}")
