"""What avsync knows of one data set: its name, its layout, and how to list its clips."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError


@dataclass(frozen=True)
class Dataset:
    """A data set, as an entry of `avsync.datasets.registry.DATASETS`.

    Attributes:
        name: what `--dataset` calls it: lower case, no spaces.
        title: what its authors call it, for messages.
        layout: the expected layout in one line, for messages.
        matches: whether a folder is laid out like this data set. Looks at a few names, reads the first line of a table
            at most.
        list_clips: lists the clips below a folder that matches. Raises UsageError for a tree or table with a mistake.
        list_split: lists the clips of a split table (the second path) only; None if the data set has no such tables.
        fake_folders: names of the folders that hold this data set's fakes, in any letter case. Whatever tree it is
            given, training refuses the clips below a folder of such a name.
        mixed: names of the folders and tables by which one knows a tree that holds real clips and fakes side by side,
            in any letter case. Training refuses it, whatever its layout is taken for; its real clips may calibrate.
        general: the layout is one that others match as well: it is detected only where no other is.
    """

    name: str
    title: str
    layout: str
    matches: Callable[[Path], bool]
    list_clips: Callable[[Path], list[ClipRecord]]
    list_split: Callable[[Path, Path], list[ClipRecord]] | None = None
    fake_folders: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    general: bool = False

    def records(self, root: Path, split: Path | None = None) -> list[ClipRecord]:
        """Return the clips below `root`, or only those of the split table.

        Raises:
            UsageError: a tree or table with a mistake, or a split table of a data set that has none.
        """
        if split is None:
            return self.list_clips(root)
        if self.list_split is None:
            raise UsageError(f"{split}: {self.title} has no split tables; leave out the table")
        return self.list_split(root, split)
