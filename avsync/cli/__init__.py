"""The command line: one short function per verb; whatever is heavy is imported inside the verb."""

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli.evaluate import evaluate_app
from avsync.cli.score import demo, score
from avsync.cli.train import calibrate, extract, train
from avsync.cli.weights import weights_app
from avsync.errors import AvsyncError

if TYPE_CHECKING:
    from io import TextIOWrapper

INTERRUPTED = 130

app = typer.Typer(
    help="Do lips and speech go together as in real video? Deepfake detection learned from real clips only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (score, train, calibrate, extract, demo):
    app.command()(verb)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(weights_app, name="weights")


def main() -> None:
    """Run the command line: 0 done, 1 some file could not be judged, 2 wrong usage, 130 interrupted."""
    if TYPE_CHECKING:
        assert isinstance(sys.stdout, TextIOWrapper)
    # A file name that the terminal's encoding lacks is no reason to fail.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except (AvsyncError, OSError) as error:  # of OSError: a full disk, a folder without permission
        from avsync.report.wording import printable

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
