"""The command line: one file and one function for each verb; heavy imports are inside the functions."""

import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli import (
    app,
    audit,
    calibrate,
    datasets,
    demo,
    doctor,
    evaluate,
    explain,
    extract,
    pack,
    score,
    stress,
    train,
    weights,
)
from avsync.cli.internal import INTERNAL, tell
from avsync.errors import AvsyncError
from avsync.text import printable

if TYPE_CHECKING:
    from io import TextIOWrapper

WRONG_USAGE, INTERRUPTED, READER_GONE = 2, 130, 141

command_line = typer.Typer(
    help="Detect audio-visual deepfakes. Learned from real recordings only.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# In the order in which help shows them: for whoever has a recording, a data set, a model to make.
# Each verb is a function in the module of its name; importing the functions here would hide the modules.
for verb in (
    *(score.score, explain.explain, app.app, demo.demo, doctor.doctor),
    *(evaluate.evaluate, stress.stress, audit.audit, datasets.datasets),
    *(train.train, calibrate.calibrate, extract.extract, pack.pack),
):
    command_line.command()(verb)
command_line.add_typer(weights.weights_app, name="weights")


def main() -> None:
    """Run the command line; `avsync score --help` tells the exit statuses."""
    _open_standard_streams()
    if TYPE_CHECKING:
        assert isinstance(sys.stdout, TextIOWrapper)
    # Escape the characters of a file name that the terminal cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command_line()
    except (AvsyncError, OSError) as error:  # of OSError: a full disk, a folder without permission
        print(f"avsync: {printable(str(error))}", file=sys.stderr)
        sys.exit(WRONG_USAGE)
    except SystemExit as status:
        if isinstance(status.__context__, BrokenPipeError):
            # What is still to be written at the end would be the same error again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(READER_GONE)
        if status.code == INTERRUPTED:
            print("avsync: interrupted", file=sys.stderr)
        raise
    except Exception as error:
        from avsync.engine.traces import report

        tell(report(error))
        sys.exit(INTERNAL)


def _open_standard_streams() -> None:
    """Open the null device in place of a standard stream that is closed: no other file may get its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"avsync {version('avsync')}")
        raise typer.Exit


@command_line.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
