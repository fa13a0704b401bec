"""What is printed of verdicts, by the options of the command line."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from avsync.errors import UsageError

if TYPE_CHECKING:
    from avsync.evaluate.run import Judge, JudgeEach
    from avsync.isolation import IsolatedDetector
    from avsync.score.verdict import Verdict


def refuse_both(*, quiet: bool, verbose: bool) -> None:
    """Refuse two options that contradict each other.

    Raises:
        UsageError: both are given.
    """
    if quiet and verbose:
        raise UsageError("--quiet and --verbose: choose one of them")


def telling(judge: "Judge | JudgeEach") -> "Judge | JudgeEach":
    """Return a judge that also prints each verdict, with its details, to standard error."""
    if not callable(judge):
        return _TellingEach(judge)

    def told(path: Path, *, audio: Path | None = None) -> "Verdict":
        verdict = judge(path, audio=audio)
        _tell(verdict)
        return verdict

    return told


class _TellingEach:
    """Prints verdicts as they come (`JudgeEach`)."""

    def __init__(self, judge: "JudgeEach") -> None:
        self._judge = judge

    def score_each(self, paths: Sequence[Path], *, audio: Sequence[Path | None]) -> "Iterator[tuple[int, Verdict]]":
        for place, verdict in self._judge.score_each(paths, audio=audio):
            _tell(verdict)
            yield place, verdict


def _tell(verdict: "Verdict") -> None:
    from avsync.report import print_details, print_verdict

    print_verdict(verdict, sys.stderr)
    print_details(verdict, file=sys.stderr)


class VerdictPrinter:
    """Prints lines as files are judged and a table at the end, or one of the two kinds of JSON.

    Args:
        as_json, json_lines, quiet, verbose: as the options.
        to_file: whether a report is written too.

    Raises:
        UsageError: options contradict each other.
    """

    def __init__(self, *, as_json: bool, json_lines: bool, to_file: bool, quiet: bool, verbose: bool) -> None:
        if as_json and json_lines:
            raise UsageError("--json and --json-lines: choose one of them")
        refuse_both(quiet=quiet, verbose=verbose)
        self._as_json, self._json_lines = as_json, json_lines
        self._to_file, self._quiet, self._verbose = to_file, quiet, verbose
        self._since: float | None = None

    def start_clock(self, detector: "IsolatedDetector") -> None:
        """Also print the time that each file takes, from now on: files are judged one after another."""
        _ = detector.facts  # waits until the models are loaded
        self._since = monotonic()

    def one(self, verdict: "Verdict") -> None:
        """Print what is to be seen of a file as soon as it is judged."""
        from avsync.report import print_details, print_verdict, to_line

        if self._json_lines:
            print(to_line(verdict), end="", flush=True)
        elif self._quiet and verdict.verdict == "cannot_judge" and not self._as_json:
            print_verdict(verdict, sys.stderr)
        elif not (self._quiet or self._as_json):
            print_verdict(verdict)
            if self._verbose:
                print_details(verdict, self._seconds())

    def all(self, verdicts: "Sequence[Verdict]") -> None:
        """Print what is to be seen when all files are judged. Who asks for a report, quietly, wants no table."""
        from avsync.report import print_table, to_json

        if self._as_json:
            print(to_json(verdicts), end="", flush=True)
            return
        wanted = not (self._json_lines or (self._quiet and self._to_file))
        if wanted and any(verdict.verdict != "cannot_judge" for verdict in verdicts):
            print_table(verdicts)

    def _seconds(self) -> float | None:
        """The time since the last file, if it is taken."""
        if self._since is None:
            return None
        before, self._since = self._since, monotonic()
        return self._since - before
