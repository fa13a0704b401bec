"""The command line: one file and one function for each verb; heavy imports are inside the functions."""

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli import calibrate, demo, evaluate, extract, score, train, weights
from avsync.errors import AvsyncError
from avsync.text import printable

if TYPE_CHECKING:
    from io import TextIOWrapper

INTERRUPTED = 130

app = typer.Typer(
    help="Detect audio-visual deepfakes. Learned from real recordings only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# Each verb is a function in the module of its name; importing the functions here would hide the modules.
for verb in (score.score, train.train, calibrate.calibrate, extract.extract, evaluate.evaluate, demo.demo):
    app.command()(verb)
app.add_typer(weights.weights_app, name="weights")


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 some file could not be judged, 2 wrong usage, 130 interrupted."""
    if TYPE_CHECKING:
        assert isinstance(sys.stdout, TextIOWrapper)
    # Escape the characters of a file name that the terminal cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except (AvsyncError, OSError) as error:  # of OSError: a full disk, a folder without permission
        print(f"avsync: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as status:
        if status.code == INTERRUPTED:
            print("avsync: interrupted", file=sys.stderr)
        raise


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"avsync {version('avsync')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
