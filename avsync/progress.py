"""What is told while a file is judged, and the progress bar on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from rich.progress import Progress

# What is done with a file, in this order; "drawing" makes the pictures of the report.
Stage = Literal["opening", "speech", "faces", "voice", "drawing"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while the context lasts; yields a callback `update(done, total)`."""
    with bar() as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def bar() -> "Progress":
    """Return a progress bar that disappears when it stops."""
    from rich.console import Console
    from rich.progress import Progress

    quiet = not sys.stderr.isatty()
    console = Console(stderr=True, quiet=quiet)
    return Progress(console=console, transient=True, redirect_stdout=False, disable=quiet)
