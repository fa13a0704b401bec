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
_WORDS: dict[Stage, str] = {
    "opening": "opening",
    "speech": "finding speech",
    "faces": "following faces",
    "voice": "checking voice",
    "drawing": "drawing",
}
_NARROW = 60  # characters; there is no bar on a terminal that has fewer
# Of the time for a minute of video, what is over when a stage begins; of sound alone, `voice` comes sooner.
_BEGINS: dict[Stage, float] = {"opening": 0.0, "speech": 0.0, "faces": 0.1, "voice": 0.92, "drawing": 0.98}


@contextmanager
def counting(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while the context lasts, unless `quiet`; yields a callback `update(done, total)`."""
    with bar(quiet=quiet) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(
            task, completed=done, total=total, description=f"{what} {done}/{total}"
        )


def bar(*, quiet: bool = False) -> "Progress":
    """Return a progress bar with the time left, that disappears when it stops; `quiet`: one that is never shown."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    hidden = quiet or not sys.stderr.isatty()
    console = Console(stderr=True, quiet=hidden)
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    ]
    if console.width < _NARROW:
        del columns[1]
    return Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=hidden,
        expand=True,
    )


class FilesProgress:
    """A progress bar over files that are judged one after another, or some side by side."""

    def __init__(self, count: int, *, quiet: bool = False) -> None:
        self.bar = bar(quiet=quiet)
        self._count, self._done = count, 0
        self._shares: dict[int, float] = {}  # of the files that are begun, by their place
        self._name = "" if self.bar.console.width < _NARROW else "file "
        self._task = self.bar.add_task("", total=count)
        self.finish(0)

    def finish(self, done: int) -> None:
        """The first `done` files have their verdicts."""
        self._done = done
        self._shares = {index: share for index, share in self._shares.items() if index >= done}
        self._show(f"{self._name}{min(done + 1, self._count)}/{self._count}")

    def update(self, index: int, stage: Stage, seconds: float, total: float) -> None:
        """A stage of the file in place `index` has done so many seconds of all; the first file not done is shown."""
        self._shares[index] = max(_share(stage, seconds, total), self._shares.get(index, 0.0))
        if index == min(self._shares):
            read = f" {seconds:.0f}/{total:.0f} s" if total > 0 and stage != "opening" else ""
            self._show(f"{self._name}{index + 1}/{self._count}: {_WORDS[stage]}{read}")

    def _show(self, words: str) -> None:
        self.bar.update(self._task, completed=self._done + sum(self._shares.values()), description=words)


def _share(stage: Stage, seconds: float, total: float) -> float:
    """How much of the time for a file is over, 0 to 1."""
    index = STAGES.index(stage)
    begin, end = _BEGINS[stage], 1.0 if index + 1 == len(STAGES) else _BEGINS[STAGES[index + 1]]
    return begin + (end - begin) * (min(1.0, seconds / total) if total > 0 else 0.0)
