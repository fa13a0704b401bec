"""What avsync knows of one data set: its name, its layout, and how to list its clips."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError


@dataclass(frozen=True)
class About:
    """What people ask about a data set before they have it. Each is one line of text; empty if it is not known.

    Attributes:
        holds: what is in it, and who published it.
        size: how much.
        licence: on what terms.
        source: where to ask for it.
    """

    holds: str = ""
    size: str = ""
    licence: str = ""
    source: str = ""


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
        list_split: lists the clips of one part only; None if the data set has no parts. The second path is a split
            table, or no path but the name of a part, such as `test`.
        fake_folders: names of the folders that hold this data set's fakes, in any letter case. Whatever tree it is
            given, training refuses the clips below a folder of such a name.
        mixed: names of the folders and tables by which one knows a tree that holds real clips and fakes side by side,
            in any letter case. Training refuses it, whatever its layout is taken for; its real clips may calibrate.
        general: the layout is one that others match as well: it is detected only where no other is.
        about: what people ask before they have it.
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
    about: About = About()

    def records(self, root: Path, split: Path | None = None) -> list[ClipRecord]:
        """Return the clips below `root`, or only those of `split`: the path of a table, or the name of a part.

        Raises:
            UsageError: a tree or table with a mistake, an unknown part, or a split of a data set that has none.
        """
        if split is None:
            return self.list_clips(root)
        if self.list_split is None:
            raise UsageError(f"{split}: {self.title} has no split tables; leave it out")
        return self.list_split(root, split)
