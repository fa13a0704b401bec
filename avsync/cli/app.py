"""avsync app."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.internal import INTERNAL, tell
from avsync.cli.options import Checks, Jobs, Level, MaxMemory, Timeout, Weights
from avsync.errors import UsageError


def app(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the page is; a free port if it is taken.")] = 8571,
    host: Annotated[
        str, typer.Option(help="Another than 127.0.0.1 lets other computers reach the page, without encryption.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    keep: Annotated[
        Path | None,
        typer.Option(dir_okay=False, metavar="FILE", help="Keep verdicts in this SQLite file. Default: keep nothing."),
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, metavar="MB", help="Megabytes that a recording may have.")] = 2000,
    jobs: Jobs = 1,
    timeout: Timeout = None,
    max_memory: MaxMemory = 4096,
    weights: Weights = None,
    checks: Checks = None,
    level: Level = 0.05,
) -> None:
    """Open a page in the browser that judges the recordings dropped on it.

    Everything stays on this computer: the page loads nothing from elsewhere, and the files are deleted at the end.
    """
    from rich.console import Console

    from avsync.app.folder import private_folder
    from avsync.isolation import IsolatedDetector

    with (
        private_folder() as folder,
        IsolatedDetector(
            jobs=jobs, timeout=timeout, max_memory=max_memory, weights=weights, checks=checks, level=level
        ) as detector,
    ):
        try:
            from avsync.app.serve import Settings, serve
        except ModuleNotFoundError as error:
            raise UsageError(f"the page needs the package '{error.name}': pip install 'avsync[app]'") from error
        with Console(stderr=True).status("loading the models"):
            _ = detector.facts  # wrong options are told before the page opens
        settings = Settings(host, port, browser, keep, max_upload, jobs)
        reports = serve(detector, folder, settings, lambda line: print(line, flush=True))
        reports += detector.reports
    if reports:
        tell("\n".join(dict.fromkeys(reports)))
        raise typer.Exit(INTERNAL)
