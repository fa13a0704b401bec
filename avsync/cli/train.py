"""avsync train."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.errors import UsageError


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/default.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as data.root=DIR.")
    ] = None,
) -> None:
    """Train a model on real recordings."""
    try:
        from avsync.train import train as run
        from avsync.train.config import load_config
        from avsync.train.ranks import follow

        follow()
        path = run(load_config(config, overrides or []))
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs the package '{error.name}': pip install 'avsync[train,ssl]'") from error
    print(f"{path}: trained")
