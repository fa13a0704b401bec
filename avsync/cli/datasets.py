"""avsync datasets."""

from collections.abc import Iterator
from typing import Annotated

import typer

from avsync.datasets import DATASETS, Dataset
from avsync.errors import UsageError

_INDENT = 26


def datasets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one. Default: all.")] = None,
) -> None:
    """List the data sets that evaluate, audit, train and calibrate can open: what, size, licence, source, layout."""
    if name is not None and name not in DATASETS:
        raise UsageError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    for dataset in DATASETS.values() if name is None else [DATASETS[name]]:
        for line in _lines(dataset):
            typer.echo(line)


def _lines(dataset: Dataset) -> Iterator[str]:
    yield f"{dataset.name:<{_INDENT}}{dataset.title}: {dataset.about.holds}"
    about = dataset.about
    facts = {"size": about.size, "licence": about.licence, "source": about.source, "layout": dataset.layout}
    for heading, text in facts.items():
        if text:
            yield f"{'':{_INDENT}}{heading:<8} {text}"
