"""avsync demo."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.score import exit_with, score_files


def demo(
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the clips in this folder.")] = None,
) -> None:
    """Make two clips, one of them dubbed, and judge both."""
    from tempfile import TemporaryDirectory

    from avsync.demo import make_clips
    from avsync.isolation import IsolatedDetector
    from avsync.report import print_table, print_verdict

    with TemporaryDirectory(prefix="avsync-") as temporary, IsolatedDetector() as detector:
        clips = make_clips(folder or Path(temporary))
        verdicts = []
        for verdict in score_files(clips, detector):
            verdicts.append(replace(verdict, path=Path(verdict.path).name))
            print_verdict(verdicts[-1])
    print_table(verdicts)
    exit_with(verdicts, detector)
    in_sync, dubbed = (verdict.checks["lips"].p_value for verdict in verdicts)
    print("Both clips show the same lips; the first carries the matching speech, the second does not.")
    print(f"p-value of the lips check: {in_sync:.2g} for the first, {dubbed:.2g} for the second.")
