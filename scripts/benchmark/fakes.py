"""Section `fakes`: whole clips, fakes against real ones, by type and by generator."""

from dataclasses import replace
from functools import partial

from avsync.datasets import with_role
from avsync.evaluate import evaluate
from avsync.evaluate.protocols.clips_summary import ClipsSummary
from avsync.evaluate.table import Row, Tables
from benchmark.bench import LEVEL, Bench
from benchmark.report import say

# A generator with fewer clips has no row; one with at least `_MANY` should not be below 0.5.
_FEWEST, _MANY = 5, 10


def fakes(bench: Bench) -> Tables:
    """Return figures of the verdict, the AUC of each check and baseline alone, and how real clips are judged.

    Run again after a stop, it continues where it was, unless the checkpoint or the code has changed.
    """
    summary = evaluate(
        with_role(bench.records, "report"),
        bench.detector.score,
        bench.folder / f"clips-{bench.code}",
        settings=bench.settings,
        on_progress=partial(say, "clips"),
    )
    assert isinstance(summary, ClipsSummary)
    shown = replace(summary, methods=[method for method in summary.methods if method.clips >= _FEWEST])
    return {**shown.tables(), "Real clips, and weak generators": _counts(summary)}


def _counts(summary: ClipsSummary) -> list[Row]:
    real = summary.real
    many = [method for method in summary.methods if method.clips >= _MANY]
    # A generator of which no clip could be judged has no AUC: it is listed as well.
    weak = [f"{method.method} {method.auc.value:.2f}" for method in many if not method.auc.value >= 0.5]
    return [
        {"what": f"real clips called suspicious at level {LEVEL:g}", "n": real.judged, "figure": summary.false_alarms},
        {"what": "real clips that cannot be judged", "n": real.clips, "figure": real.clips - real.judged},
        {
            "what": f"generators with at least {_MANY} clips and an AUC below 0.5",
            "n": len(many),
            "figure": ", ".join(weak) or "none",
        },
    ]
