"""`avsync weights`: list, convert and fetch published weights."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avsync.errors import UsageError

weights_app = typer.Typer(
    help="Published weights of others: list, convert, fetch.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@weights_app.command("list")
def list_known() -> None:
    """Show the known weights, and which of them are on this machine."""
    from avsync.cli.weights_table import print_known

    print_known()


@weights_app.command()
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A published checkpoint (.pt).")],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The output (.safetensors), instead of a file in the folder of weights."),
    ] = None,
) -> None:
    """Convert a published .pt to safetensors; no code in it is run."""
    from avsync.convert import convert as run
    from avsync.weights.folder import describe

    written = run(file, output)
    found = describe(written)
    print(f"{written}: {found.words}, {found.parameters / 1e6:.3g} M parameters")
    print(f"licence: {found.licence}")


@weights_app.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that 'list' shows with 'pull'.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Fetch a model of the Hugging Face hub or the web, after showing its licence."""
    from avsync.weights import hub, web
    from avsync.weights.catalogue import WEB

    known = hub.fetchable(name)
    if not yes and not sys.stdin.isatty():
        raise UsageError("fetching needs a confirmation, and there is no terminal; confirm with --yes")
    source = web if known.kind == WEB else hub
    if place := source.present(name):
        print(f"{name}: already in {place}")
        return
    offered = source.offer(known)
    print(f"{name}: {known.description}")
    print(f"licence: {known.licence}")
    print(f"from:    {known.page}")
    print(f"size:    {sum(offered.files.values()) / 1e6:.0f} MB")
    if not yes:
        typer.confirm("Fetch it under this licence?", abort=True)
    print(f"{source.fetch(offered)}: done")
