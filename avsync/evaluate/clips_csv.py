"""A table of all clips, for people and spreadsheets."""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

from avsync.evaluate.results import StoredVerdict


def to_csv(results: Sequence[StoredVerdict]) -> str:
    """Return a CSV table with one row for each clip, floats with all digits; a cell is empty if there is no value.

    Its columns are those of `describe`, the main fields of the verdict, and for each check found in the verdicts
    `<check>_anomaly_score` and `<check>_p_value`.
    """
    checks = dict.fromkeys(name for result in results for name in result.verdict.checks)
    rows = [_row(result, list(checks)) for result in results]
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(result: StoredVerdict, checks: Sequence[str]) -> dict[str, Any]:
    verdict = result.verdict
    row: dict[str, Any] = {
        **result.clip,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "detail": " ".join(verdict.detail.split()),
        "p_value": verdict.p_value,
        "anomaly_score": verdict.anomaly_score,
        "leading_silence": verdict.leading_silence,
        "duration": verdict.duration,
    }
    for name in checks:
        check = verdict.checks.get(name)
        row[f"{name}_anomaly_score"] = check.anomaly_score if check else None
        row[f"{name}_p_value"] = check.p_value if check else None
    return row
