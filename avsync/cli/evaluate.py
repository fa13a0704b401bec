"""avsync evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsync.cli.options import Backbone, Features, Level, Reading, Trim, Weights
from avsync.progress import counting

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord

evaluate_app = typer.Typer(
    help="Measure how well fakes are told from real clips.", no_args_is_help=True, rich_markup_mode=None
)


@evaluate_app.command()
def fakeavceleb(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder FakeAVCeleb or FakeAVCeleb_v1.2.")],
    split: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Only the clips of a table source,category,full_path.")
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where results are kept; run again to go on after a stop.")
    ] = Path("evaluation"),
    identities: Annotated[
        Literal["all", "8-f"],
        typer.Option(help="All people, or those whose id's first hex digit keeps them out of calibration."),
    ] = "all",
    weights: Weights = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    level: Level = 0.05,
) -> None:
    """Evaluate on FakeAVCeleb, or on a data set laid out like it."""
    from avsync.datasets.fakeavceleb import records
    from avsync.detector import Detector
    from avsync.evaluate import Settings, evaluate, print_summary

    clips = records(root, split)
    if identities == "8-f":
        clips = [clip for clip in clips if _reserved_for_reporting(clip)]
    detector = Detector(weights, backbone=backbone, reading=reading, features=features, trim=trim, level=level)
    settings = Settings(detector.model, detector.weights_sha256, trim, level)
    with counting("evaluating") as hook:
        summary = evaluate(clips, detector.score, output, settings=settings, hook=hook)
    print_summary(summary)


def _reserved_for_reporting(clip: "ClipRecord") -> bool:
    return clip.identity.lower().removeprefix("id")[:1] in set("89abcdef")
