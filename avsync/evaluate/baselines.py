"""Baselines that never look at a face. A detector that is trained on fakes may have learned these shortcuts."""

from collections.abc import Callable

from avsync.score.verdict import Verdict

# By name, a number of the recording. High is taken for fake; None where the recording has no such number.
BASELINES: dict[str, Callable[[Verdict], float | None]] = {
    "leading_silence": lambda verdict: verdict.leading_silence,
    "length": lambda verdict: verdict.duration,
}
