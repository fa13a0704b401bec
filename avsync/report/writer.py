"""Reports in files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import quote

from avsync.errors import UsageError
from avsync.files import write_whole
from avsync.report.csv import to_csv
from avsync.report.html import to_html
from avsync.report.json import to_json
from avsync.report.jsonl import to_jsonl
from avsync.score.verdict import Verdict

_RENDERERS: dict[str, Callable[[Sequence[Verdict], Path], str]] = {
    ".json": lambda verdicts, folder: to_json(verdicts),
    ".csv": lambda verdicts, folder: to_csv(verdicts),
    ".html": lambda verdicts, folder: to_html(verdicts, link=lambda verdict: _relative(verdict.path, folder)),
    ".jsonl": lambda verdicts, folder: to_jsonl(verdicts),
}


def renderer(path: Path) -> Callable[[Sequence[Verdict], Path], str]:
    """Return the function that renders a report to lie in a folder, chosen by the suffix of `path`.

    Call it early to find mistakes early.

    Raises:
        UsageError: a suffix other than .json, .csv, .html and .jsonl, a folder, a place in no folder, or one where
            nothing can be written.
    """
    chosen = _RENDERERS.get(path.suffix.lower())
    if chosen is None:
        raise UsageError(
            f"{path}: a report is written as {', '.join(_RENDERERS)}; give a name that ends in one of them"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path}: a report is a file in a folder that exists; give such a name")
    try:
        with TemporaryFile(dir=path.parent) as trial:
            trial.write(b"?")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    return chosen


def write_report(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write a report; the file appears only when it is complete.

    Raises:
        UsageError: as `renderer`, or a place that cannot be written.
    """
    text = renderer(path)(verdicts, path.parent)
    try:
        # File names of other systems may hold bytes that are no text.
        write_whole(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error


def _relative(path: str, folder: Path) -> str | None:
    """The address of a recording as a page in `folder` sees it; None if there is no way from one to the other."""
    try:
        way = os.path.relpath(path, folder)
    except ValueError:  # on another drive
        return None
    return quote(os.fsencode(way.replace(os.sep, "/")))
