"""Measure how well partly fake clips are told from real ones, and where they are fake; prints Markdown.

    python scripts/partial_fakes.py ROOT PARTIAL
    python scripts/benchmark_partial.py PARTIAL

PARTIAL is a data set of partly fake clips. The default model is compared with readings of its lattice that need no
training or calibration (SpeechForensics, FACTOR). Verdicts are kept in PARTIAL-METHOD; run again after a stop, it goes
on where it was.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmark.report import Row, Tables, circumstances, say, to_markdown

from avsync.datasets import ClipRecord, open_dataset
from avsync.detector import Detector
from avsync.evaluate import Settings, evaluate
from avsync.evaluate.metrics import auc, estimate
from avsync.evaluate.protocols import segments
from avsync.evaluate.results import StoredVerdict, VerdictFile
from avsync.score.verdict import Verdict

_METHODS: dict[str, dict[str, Any]] = {
    "default": {},
    "speechforensics": {"backbone": "temporal", "reading": "speechforensics"},
    "factor": {"backbone": "temporal", "reading": "factor"},
}

Results = Mapping[str, StoredVerdict]


def main() -> None:
    """Judge all clips by each method, and print two tables."""
    options = _options()
    print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n", flush=True)
    records = open_dataset(options.root)
    kinds = list(dict.fromkeys(record.method for record in records if record.label == "fake"))
    tables: Tables = {"Where clips are fake": [], "Whole clips, ROC AUC": []}
    for name, detector_options in _METHODS.items():
        settings, results = _judged(name, detector_options, records, options.root)
        for kind in kinds:
            chosen = [record for record in records if record.label == "real" or record.method == kind]
            tables["Where clips are fake"] += _where(name, kind, chosen, results, settings)
            tables["Whole clips, ROC AUC"].append(_whole(name, kind, chosen, results))
    print(to_markdown(tables))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how well partly fake clips are found.")
    parser.add_argument("root", type=Path, help="a data set of partly fake clips")
    return parser.parse_args()


def _judged(
    name: str, options: Mapping[str, Any], records: Sequence[ClipRecord], root: Path
) -> tuple[Settings, Results]:
    detector = Detector(**options)
    settings = Settings(
        model=detector.model,
        weights_sha256=detector.weights_sha256,
        checks=detector.checks,
        trim="default",
        faces="dlib",
        level=0.05,
        calibration_sha256=detector.calibration_sha256,
    )
    folder = root.with_name(f"{root.name}-{name}")
    evaluate(records, detector.score, folder, settings=settings, on_progress=partial(say, name))
    return settings, {str(stored.clip["name"]): stored for stored in VerdictFile(folder, settings).read().values()}


def _where(name: str, kind: str, records: Sequence[ClipRecord], results: Results, settings: Settings) -> list[Row]:
    summary = segments.summarise(records, results, settings)
    return [
        {
            "method": name,
            "fakes": kind,
            "check": of.check,
            "stretches": of.spans,
            "AP@0.5": of.segments.average_precision[0.5],
            "AP@0.75": of.segments.average_precision[0.75],
            "AR@20": of.segments.average_recall[20],
            "frame AUC": of.frames,
        }
        for of in summary.located
        if of.side == "sound"
    ]


def _whole(name: str, kind: str, records: Sequence[ClipRecord], results: Results) -> Row:
    """The AUC of the verdict, the shares that it calls suspicious, and the AUC of the best proposal of a clip."""
    verdicts = [results[record.name].verdict for record in records]
    judged = [(r, v) for r, v in zip(records, verdicts, strict=True) if v.anomaly_score is not None]
    verdicts = [verdict for _, verdict in judged]
    fake = np.array([record.label == "fake" for record, _ in judged])
    people = [record.identity for record, _ in judged]
    anomaly = np.array([verdict.anomaly_score for _, verdict in judged], np.float64)
    best = np.array([max((p.score for c in v.checks.values() for p in c.proposals), default=0.0) for _, v in judged])
    return {
        "method": name,
        "fakes": kind,
        "n": f"{int(fake.sum())}/{int((~fake).sum())}",
        "verdict": estimate(partial(auc, fake, anomaly), people),
        "suspicious": _share([v for v, odd in zip(verdicts, fake, strict=True) if odd]),
        "suspicious, real": _share([v for v, odd in zip(verdicts, fake, strict=True) if not odd]),
        "best proposal": estimate(partial(auc, fake, best), people),
    }


def _share(verdicts: Sequence[Verdict]) -> str:
    """The share of verdicts that are suspicious; a dash where none has a p-value."""
    found = [verdict.verdict == "suspicious" for verdict in verdicts if verdict.p_value is not None]
    return f"{np.mean(found):.2f}" if found else "–"


if __name__ == "__main__":
    main()
