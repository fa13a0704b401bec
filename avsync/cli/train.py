"""avsync train, extract and calibrate."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.options import Backbone, Features, Reading, Trim, Weights
from avsync.errors import UsageError
from avsync.progress import counting

Roots = Annotated[list[Path], typer.Argument(metavar="ROOT", help="Trees of VoxCeleb2 or FakeAVCeleb.")]


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/default.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as data.root=DIR.")
    ] = None,
) -> None:
    """Train a model on real videos laid out as VoxCeleb2."""
    from avsync.config import load_config

    try:
        from avsync.train import train as run

        run(load_config(config, overrides or []))
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs the package '{error.name}': pip install 'avsync[train,ssl]'") from error


def extract(
    roots: Roots,
    backbone: Annotated[str, typer.Option(metavar="NAME", help="Encoders LIP_ROWS+SPEECH, such as avhubert.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where features are kept; run again to go on.")] = Path(
        ".cache/features"
    ),
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode and find faces.")] = 2,
    trim: Trim = "default",
) -> None:
    """Make features of clips once, for the other verbs."""
    from avsync.datasets import all_records
    from avsync.features import FeatureStore, load_backbone
    from avsync.features import extract as run

    records = [record for root in roots for record in all_records(root)]
    encoders = load_backbone(backbone)
    store = FeatureStore(output, encoders.key, trim)
    with counting("extracting") as hook:
        kept = run(records, encoders, store, trim=trim, workers=workers, hook=hook)
    print(f"{store.folder}: features of {len(kept)} of {len(records)} clips")


def calibrate(
    roots: Roots,
    weights: Weights = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The calibrated checkpoint.")] = Path(
        "calibrated.safetensors"
    ),
) -> None:
    """Fit a model's reference of real clips."""
    from avsync.calibrate import calibrate as run
    from avsync.methods import load_method

    loaded = load_method(weights, backbone, reading, store=features)
    with counting("calibrating") as hook:
        reference = run(roots, loaded, output, hook)
    counts = ", ".join(f"{n:.0f} of {s:g} s" for s, n in zip(reference.seconds, reference.people, strict=True))
    print(f"{output}: people with real windows: {counts}")
