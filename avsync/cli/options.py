"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Weights = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, metavar="FILE", help="A checkpoint (.safetensors) instead of the built-in one."
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Encoders LIP_ROWS+SPEECH, each KIND[:SOURCE][@LAYER], such as avhubert."),
]
Reading = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="With a backbone: speechforensics, factor, agreement, log_mean_exp, log_sum_exp."
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, metavar="DIR", help="With a backbone: features that extract has made."),
]
Trim = Annotated[
    Literal["default", "paper", "none"],
    typer.Option(
        help="What silence is left out: all around the speech, digital silence at the start as in AVH-Align, none."
    ),
]
Level = Annotated[float, typer.Option(help="Share of real clips that may be called suspicious, between 0 and 1.")]
