"""The recordings of a session: they wait, are judged one after another, and stay until they are removed."""

import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Literal

from avsync.app.history import History, Kept
from avsync.engine.traces import report
from avsync.errors import AvsyncError
from avsync.isolation import IsolatedDetector
from avsync.progress import Stage
from avsync.report.wording import LABELS, sentence
from avsync.score.verdict import Verdict
from avsync.text import printable

_LONGEST_NAME = 255


@dataclass
class Item:
    """A recording in the queue.

    Attributes:
        id: how the page names it; not to be guessed.
        name: the name that the user's file has, on one line, without characters that turn the writing around.
        size: of the file, in bytes; 0 for a verdict of an earlier session.
        path: where it is; None for a verdict of an earlier session.
        stage, seconds, total: what is done with it now, the seconds that stage has done, and those of the recording.
        finished: when its verdict came, in seconds since 1970.
        sentence: the verdict in words.
        error: why there is no verdict, or why it is not kept.
    """

    id: str
    name: str
    size: int = 0
    path: Path | None = None
    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    stage: Stage = "opening"
    seconds: float = 0.0
    total: float = 0.0
    finished: float = 0.0
    verdict: Verdict | None = None
    sentence: str = ""
    error: str = ""

    def told(self) -> dict[str, Any]:
        """Return what the page shows of it, as plain data."""
        data: dict[str, Any] = {"id": self.id, "name": self.name, "size": self.size, "state": self.state}
        if self.state == "working":
            data |= {"stage": self.stage, "seconds": self.seconds, "total": self.total}
        if self.verdict is not None:
            data |= {"verdict": self.verdict.verdict, "label": LABELS[self.verdict.verdict]}
            data["picture"] = self.picture is not None
        return data | {"sentence": self.sentence, "error": self.error, "finished": self.finished}

    @property
    def picture(self) -> str | None:
        """A small picture of the recording, as a `data:` address."""
        still = self.verdict.figures.thumbnail if self.verdict and self.verdict.figures else None
        return still.picture if still else None

    def finish(self, verdict: Verdict, finished: float) -> None:
        """Take the verdict."""
        self.state, self.verdict, self.finished, self.sentence = "done", verdict, finished, sentence(verdict)


class Removed(Exception):
    """The user gave up a recording while it was judged."""


class Queue:
    """Recordings by id, in the order they came; `jobs` threads have them judged. Any thread may use it.

    Attributes:
        version: grows with every change.
        reports: reports of errors in avsync, without personal data.
    """

    def __init__(self, detector: IsolatedDetector, *, jobs: int = 1, history: History | None = None) -> None:
        self.version = 0
        self.reports: list[str] = []
        self._detector, self._history = detector, history
        self._lock = Lock()
        self._items: dict[str, Item] = {}
        for kept in history.all() if history else ():
            self._items[kept.id] = item = Item(kept.id, kept.name)
            item.finish(kept.verdict, kept.finished)
        self._waiting: SimpleQueue[Item | None] = SimpleQueue()
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(jobs)]
        for thread in self._threads:
            thread.start()

    def add(self, path: Path, name: str) -> Item:
        """Have a file judged that the queue deletes when it is removed; `name` is what its user calls it."""
        item = Item(path.name, printable(name)[:_LONGEST_NAME], path.stat().st_size, path)
        with self._lock:
            self._items[item.id] = item
            self.version += 1
        self._waiting.put(item)
        return item

    def remove(self, id_: str) -> bool:
        """Forget a recording and delete its file, whatever is done with it; False: it is not there."""
        with self._lock:
            item = self._items.pop(id_, None)
            if item is None:
                return False
            self.version += 1
            # The thread that has it judged deletes the file: the worker reads it until then.
            working = item.state == "working"
        if not working:
            _delete(item)
        if self._history is not None:
            self._history.remove(id_)
        return True

    def get(self, id_: str) -> Item | None:
        """Return a recording; None: it is not there."""
        with self._lock:
            return self._items.get(id_)

    def verdicts(self) -> list[Verdict]:
        """Return all verdicts in the order they came."""
        with self._lock:
            items = sorted(self._items.values(), key=lambda item: item.finished)
            return [item.verdict for item in items if item.verdict is not None]

    def told(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the version, and what the page shows of each recording."""
        with self._lock:
            return self.version, [item.told() for item in self._items.values()]

    def close(self) -> None:
        """Give up everything. What is judged now ends with the detector."""
        with self._lock:
            self._items.clear()
        for _ in self._threads:
            self._waiting.put(None)

    def _serve(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._change(item, state="working"):
                self._judge(item)
            if item.id not in self._items:
                _delete(item)

    def _judge(self, item: Item) -> None:
        def tell(_: int, stage: Stage, seconds: float, total: float) -> None:
            if not self._change(item, stage=stage, seconds=seconds, total=total):
                raise Removed

        try:
            (verdict,) = self._detector.score_all([str(item.path)], keep={"figures"}, on_progress=tell)
        except Removed:
            return
        except Exception as error:
            if not isinstance(error, AvsyncError):
                self.reports.append(report(error))
            words = str(error) if isinstance(error, AvsyncError) else "an error in avsync"
            self._change(item, state="failed", error=words, finished=time.time())
        else:
            # The path is ours; the user knows the file by its name.
            self._finish(item, replace(verdict, path=item.name))

    def _finish(self, item: Item, verdict: Verdict) -> None:
        with self._lock:
            if item.id not in self._items:
                return
            item.finish(verdict, time.time())
            self.version += 1
            try:
                if self._history is not None:
                    self._history.add(Kept(item.id, item.name, item.finished, verdict))
            except sqlite3.Error as error:
                item.error = f"the verdict is not kept: {error}"

    def _change(self, item: Item, **values: Any) -> bool:
        """Change a recording, if it has not been removed."""
        with self._lock:
            if item.id not in self._items:
                return False
            for name, value in values.items():
                setattr(item, name, value)
            self.version += 1
            return True


def _delete(item: Item) -> None:
    with suppress(OSError):  # at the end, the folder is deleted as a whole
        if item.path is not None:
            item.path.unlink(missing_ok=True)
