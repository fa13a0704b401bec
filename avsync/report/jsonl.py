"""JSON Lines: one verdict on each line, with the fields of `verdicts[]` in the JSON document."""

import json
from collections.abc import Sequence

from avsync.score.verdict import Verdict


def to_line(verdict: Verdict) -> str:
    """Return one line of JSON with its line break; only ASCII, so that any file name survives any pipe."""
    return json.dumps(verdict.to_dict(), allow_nan=False) + "\n"


def to_jsonl(verdicts: Sequence[Verdict]) -> str:
    """Return a line for each verdict."""
    return "".join(map(to_line, verdicts))
