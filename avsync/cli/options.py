"""Options that several verbs share. Names come from the registries, none of which imports anything heavy."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avsync.checks.registry import CHECKS, asked_by_default
from avsync.datasets.registry import DATASETS
from avsync.score.readings import readings_of

Weights = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="A checkpoint (.safetensors) of the lips, the voice or the appearance, instead of the built-in one.",
    ),
]
Checks = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help=f"Checks to ask, joined by commas: {','.join(CHECKS)}. Default: {','.join(asked_by_default())}.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Encoders LIPS+SPEECH, each KIND[:SOURCE][@LAYER], such as avhubert."),
]
Reading = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help=f"With a backbone: {', '.join(r.name for r in readings_of('lattice') if r.odd)}."
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, metavar="DIR", help="With a backbone: features made by extract."),
]
Trim = Annotated[
    Literal["default", "paper", "none"],
    typer.Option(
        help="Silence to leave out. default: all before and after the speech; paper: digital silence at the start, as "
        "in AVH-Align; none."
    ),
]
Level = Annotated[float, typer.Option(help="Share of real recordings that may be called suspicious, between 0 and 1.")]
Faces = Annotated[str, typer.Option(metavar="NAME", help="The face detector: dlib, fan or mesh.")]
Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="Where networks run: cpu, cuda:1. Default: a GPU if there is one.")
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"The data set: {', '.join(DATASETS)}. Default: detected from the folder."),
]
Jobs = Annotated[int, typer.Option(metavar="N", help="Files judged side by side; each job loads the model.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Time that a file may take; beyond, it is refused (timed_out). Default: 60 s and 5 s for each second of "
        "its length.",
    ),
]
MaxMemory = Annotated[
    int, typer.Option(metavar="MB", help="Memory that a job may take; beyond, its file is refused (out_of_memory).")
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Where the work is done: local (default), ray (the cluster that RAY_ADDRESS names or that runs here, or a "
        "new one on this machine), or ray://HOST:PORT.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress, and of files only those that cannot be judged.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Tell more of each file: what it holds, every reading, the time taken.")
]
