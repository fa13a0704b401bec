"""avsync explain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli.options import Checks, Device, Faces, Level, MaxMemory, Timeout, Trim, Weights
from avsync.cli.score import exit_with, score_files
from avsync.errors import UsageError

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict


def explain(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A video, sound, or a report of score (.json, .jsonl), which is only read."
        ),
    ],
    timeout: Timeout = None,
    max_memory: MaxMemory = 4096,
    weights: Weights = None,
    checks: Checks = None,
    trim: Trim = "default",
    faces: Faces = "dlib",
    level: Level = 0.05,
    device: Device = None,
) -> None:
    """Say in plain words what was looked at, what was found, what it means and what not, and what to do next.

    The exit status is that of score.
    """
    from avsync.report.stored import SUFFIXES, read_verdicts

    if file.suffix.lower() in SUFFIXES:
        verdicts = read_verdicts(file)
        print(_stored(file, verdicts), end="")
        if any(verdict.verdict == "cannot_judge" for verdict in verdicts):
            raise typer.Exit(1)
        return

    from avsync.isolation import IsolatedDetector

    with IsolatedDetector(
        timeout=timeout,
        max_memory=max_memory,
        weights=weights,
        checks=checks,
        trim=trim,
        faces=faces,
        level=level,
        device=device,
    ) as detector:
        verdicts = list(score_files([file], detector))
        print(_explained(verdicts), end="", flush=True)
        exit_with(verdicts, detector)


def _stored(file: Path, verdicts: "list[Verdict]") -> str:
    try:
        return _explained(verdicts)
    except (ValueError, TypeError, AttributeError) as error:  # somebody has changed values in it
        raise UsageError(f"{file}: holds values that no verdict has; write it again with avsync score") from error


def _explained(verdicts: "list[Verdict]") -> str:
    """The explanations, as wide as the terminal, but not so wide that lines are hard to read."""
    from shutil import get_terminal_size

    from avsync.report.explain import WIDTH, explain

    width = min(get_terminal_size().columns, WIDTH)
    return "\n\n".join(explain(verdict, width) for verdict in verdicts)
