"""Section `fakes`: whole clips, fakes against real ones, by type and by generator; and false alarms at each level."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from avsync.datasets import ClipRecord, with_role
from avsync.evaluate import evaluate
from avsync.evaluate.protocols.clips_summary import ClipsSummary
from avsync.evaluate.results import VerdictFile
from avsync.evaluate.table import Row, Tables
from avsync.score.verdict import Verdict
from benchmark.bench import LEVEL, Bench
from benchmark.levels import Clip, found, reliability
from benchmark.report import say

# A generator with fewer clips has no row; one with at least `_MANY` should not be below 0.5.
_FEWEST, _MANY = 5, 10


def fakes(bench: Bench) -> Tables:
    """Return figures of the verdict, the AUC of each check and baseline alone, and how real clips are judged.

    Run again after a stop, it continues where it was, unless the checkpoint or the code has changed.
    """
    records, folder = with_role(bench.records, "report"), bench.folder / f"clips-{bench.code}"
    summary = evaluate(
        records,
        bench.detector.score,
        folder,
        settings=bench.settings,
        on_progress=partial(say, "clips"),
    )
    assert isinstance(summary, ClipsSummary)
    shown = replace(summary, methods=[method for method in summary.methods if method.clips >= _FEWEST])
    verdicts = {name: stored.verdict for name, stored in VerdictFile(folder, bench.settings).read().items()}
    return {
        **shown.tables(),
        **level_tables(records, verdicts, bench.detector.checks),
        "Real clips, and weak generators": _counts(summary),
    }


def level_tables(records: Sequence[ClipRecord], verdicts: Mapping[str, Verdict], checks: Sequence[str]) -> Tables:
    """Return how many clips of each kind are found at `LEVEL`, and how many real ones at each level.

    Args:
        records: real clips of people who do not calibrate, and fakes.
        verdicts: by name of the clip, a verdict for each of them.
        checks: the names of the checks.
    """
    kinds: dict[str, list[Clip]] = {
        "fake picture (FakeVideo-*)": [],
        "real picture, synthetic speech (RealVideo-FakeAudio)": [],
        "real picture, real speech of another recording (audio-swap)": [],
        "real clips (false alarms)": [],
    }
    picture, speech, swap, real = kinds.values()
    for record in records:
        if record.label == "real":
            kind = real
        elif record.method == "audio-swap":
            kind = swap
        else:
            kind = picture if record.type.startswith("FakeVideo-") else speech
        kind.append((record.identity, verdicts[record.name]))
    return {
        f"Share called suspicious at level {LEVEL:g}, by the verdict and by each check alone": found(
            kinds, checks, LEVEL
        ),
        "Reliability: share of real clips with a p-value at or below a level": reliability(real, checks),
    }


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
