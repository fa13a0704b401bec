"""Whose clips a verb is about: those of a data set, or of two folders. Options and what they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsync.errors import UsageError

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord

Root = Annotated[
    Path | None,
    typer.Argument(metavar="ROOT", help="The folder of a data set of real and fake clips; avsync datasets lists them."),
]
Split = Annotated[
    Path | None,
    typer.Option(metavar="NAME|CSV", help="Only the clips of a part of the data set, or of a split table."),
]
Real = Annotated[
    Path | None, typer.Option("--real", metavar="DIR", help="Instead of ROOT, with --fake: a folder of real clips.")
]
Fake = Annotated[Path | None, typer.Option("--fake", metavar="DIR", help="With --real: a folder of fakes.")]
RoleOption = Annotated[
    Literal["report", "calibrate", "all"],
    typer.Option(
        "--role",
        help="Whose real clips are used. By default real clips of people who may have calibrated the model are "
        "left out, because figures on them are too good. Fakes never calibrate, so all of them are used.",
    ),
]


def chosen_clips(
    root: Path | None, dataset: str | None, split: Path | None, real: Path | None, fake: Path | None
) -> "list[ClipRecord]":
    """Return the clips of a data set, or of two folders.

    Raises:
        UsageError: neither or both are given, or there are no such clips.
    """
    from avsync.datasets import open_dataset
    from avsync.datasets.folders import two_folders

    if (root is None) == (real is None) or (real is None) != (fake is None):
        raise UsageError("give the folder of a data set, or --real DIR and --fake DIR")
    if root is not None:
        return open_dataset(root, dataset, split)
    if dataset is not None or split is not None:
        raise UsageError("--dataset and --split go with the folder of a data set, not with --real and --fake")
    assert real is not None
    assert fake is not None
    return two_folders(real, fake)
