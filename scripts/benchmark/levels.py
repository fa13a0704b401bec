"""How many clips have a p-value at or below a level, for the verdict and for each check alone."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from avsync.evaluate.metrics import Estimate, estimate, share
from avsync.evaluate.table import Row
from avsync.score.verdict import Verdict

LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
VERDICT = "verdict"

Clip = tuple[str, Verdict]  # the person who is seen, and what was found


def p_value(verdict: Verdict, name: str) -> float | None:
    """Return the p-value of the verdict (`VERDICT`) or of a check; None if it has none."""
    if name == VERDICT:
        return verdict.p_value
    return verdict.checks[name].p_value if name in verdict.checks else None


def share_at_most(level: float, clips: Sequence[Clip], name: str = VERDICT) -> Estimate:
    """Return the share of clips with a p-value at or below a level, with its 95 % interval by identity.

    A clip without this p-value is not below any level.
    """
    p_values = [p_value(verdict, name) for _, verdict in clips]
    below = np.array([p is not None and p <= level for p in p_values], bool)
    return estimate(partial(share, below), [person for person, _ in clips])


def with_p_value(clips: Sequence[Clip], name: str = VERDICT) -> list[Clip]:
    """Return the clips for which the verdict, or a check, has a p-value."""
    return [clip for clip in clips if p_value(clip[1], name) is not None]


def reliability(clips: Sequence[Clip], checks: Sequence[str]) -> list[Row]:
    """Return a row for the verdict and for each check: the share of real clips at or below each of `LEVELS`.

    A share above its level means too many false alarms. Each row has the clips with that p-value.
    """
    rows: list[Row] = []
    for name in (VERDICT, *checks):
        judged = with_p_value(clips, name)
        row: Row = {"p-value of": name, "clips": len(judged), "people": _people(judged)}
        rows.append(row | {f"p ≤ {level:g}": share_at_most(level, judged, name) for level in LEVELS})
    return rows


def found(kinds: Mapping[str, Sequence[Clip]], checks: Sequence[str], level: float) -> list[Row]:
    """Return a row for each kind of clip: the share that the verdict, and each check alone, calls suspicious.

    All shares of a row are of the same clips, those with a verdict. A check without a score calls nothing suspicious.
    """
    rows: list[Row] = []
    for kind, clips in kinds.items():
        judged = with_p_value(clips)
        row: Row = {"clips": kind, "judged": f"{len(judged)}/{len(clips)}", "people": _people(judged)}
        rows.append(row | {name: share_at_most(level, judged, name) for name in (VERDICT, *checks)})
    return rows


def _people(clips: Sequence[Clip]) -> int:
    return len({person for person, _ in clips})
