"""The facts of clips on disk: lines of a JSON Lines file that may be cut off at any time and continued."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import Reason, UsageError
from avsync.evaluate.audit.facts import FACTS
from avsync.evaluate.audit.limited import Outcome, Refused
from avsync.evaluate.json_files import drop_torn_line, plain

FILE = "facts.jsonl"


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """One line.

    Attributes:
        clip: as `avsync.evaluate.results.describe` returns it.
        faces: the name of the face detector; None if nobody looked for faces.
        outcome: the facts by name, or why there are none.
    """

    clip: dict[str, str | int]
    faces: str | None
    outcome: Outcome


class FactsFile:
    """`facts.jsonl` in a folder."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or prepare the folder for it. A last line that was cut off is removed.

        Raises:
            UsageError: the folder cannot be written.
        """
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                drop_torn_line(self.path)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written ({error.strerror})") from error

    def read(self) -> dict[str, StoredFacts]:
        """Return the lines by name of the clip; the last line of a name counts. Lines with other facts are left out.

        Raises:
            UsageError: a line was not written by an audit.
        """
        found = {}
        if self.path.exists():
            with self.path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    stored = self._line(number, line)
                    if isinstance(stored.outcome, Refused) or stored.outcome.keys() == FACTS.keys():
                        found[str(stored.clip["name"])] = stored
        return found

    @contextmanager
    def appending(self) -> Iterator[Callable[[StoredFacts], None]]:
        """Yield a function that adds a line and hands it to the operating system at once."""
        with self.path.open("a", encoding="utf-8", newline="\n") as file:

            def add(stored: StoredFacts) -> None:
                of = stored.outcome
                told = plain(of) if isinstance(of, Refused) else {"facts": plain(of)}
                file.write(json.dumps({**stored.clip, "faces": stored.faces, **told}, allow_nan=False) + "\n")
                file.flush()

            yield add

    def _line(self, number: int, line: str) -> StoredFacts:
        try:
            clip = json.loads(line)
            faces, facts = clip.pop("faces"), clip.pop("facts", None)
            reason, detail = clip.pop("reason", None), clip.pop("detail", "")
            clip["name"]
            return StoredFacts(clip, faces, Refused(Reason(reason), str(detail)) if facts is None else dict(facts))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{self.path} line {number}: no facts of a clip; choose another --output") from error
