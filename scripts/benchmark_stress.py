"""Compare a detector before and after fine-tuning on a stress set: the three findings of Beckmann et al. (2023).

    avsync stress REAL_ROOT --output runs/stress
    avsync train configs/face_sbi.yaml data.root=VoxCeleb2
    avsync train configs/face_finetune.yaml data.root=runs/stress model.start=runs/face_sbi/model.safetensors
    avsync calibrate ROOT --checks appearance --weights FILE --output BEFORE (and AFTER)
    python scripts/benchmark_stress.py ORDINARY STRESS --before BEFORE --after AFTER --unseen flicker,smoothed

ORDINARY is a data set of real clips and ordinary fakes, STRESS a folder that `avsync stress` made. The script prints a
row for each model: (a) AUC on ordinary fakes of the picture and on well-crafted reconstructions, (b) the same after
fine-tuning, on people that neither model learned from and on the kinds of `--unseen`, (c) false alarms on the real
clips of both. Verdicts are kept in the output folder, so that a second run takes seconds.

arXiv 2305.05282: 90 fakes by an autoencoder with careful blending fooled a detector that had learned self-blended
images; fine-tuning on such fakes mended part of it, at the price of false alarms.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.report import Row, circumstances, say, to_markdown

from avsync.cli.judging import settings_of
from avsync.datasets import ClipRecord, open_dataset, with_role
from avsync.detector import Detector
from avsync.errors import AvsyncError, UsageError
from avsync.evaluate import evaluate
from avsync.evaluate.json_files import write_json
from avsync.evaluate.metrics import Estimate, auc
from avsync.evaluate.protocols.common import Clip, anomaly, flagged, ranked
from avsync.evaluate.results import VerdictFile
from avsync.evaluate.table import to_plain
from avsync.stress import stress_root

_OPTIONS: dict[str, Any] = {"checks": "appearance", "trim": "default", "faces": "dlib", "level": 0.05}


def main() -> None:
    """Judge both data sets by both models, and print a table."""
    options = _options()
    try:
        ordinary = [r for r in with_role(open_dataset(options.ordinary), "report") if r.has_picture]
        stress = with_role(open_dataset(options.stress), "report")
        if stress_root((record.path, record.name) for record in stress) is None:
            raise UsageError(f"{options.stress}: not a folder that avsync stress made")
        models = {"before": options.before, "after": options.after}
        seen = set().union(*(_trained_on(weights) for weights in models.values()))
        ordinary = [r for r in ordinary if r.identity not in seen and (r.label == "real" or "FakeVideo" in r.type)]
        stress = [r for r in stress if r.identity not in seen and (r.label == "real" or _wanted(r, options.unseen))]
        print(", ".join(f"{name} {fact}" for name, fact in circumstances().items()), end="\n\n")
        rows = [_row(name, weights, ordinary, stress, options.output) for name, weights in models.items()]
    except AvsyncError as error:
        sys.exit(f"benchmark_stress: {error}")
    tables = {"A detector before and after fine-tuning on a stress set": rows}
    print(to_markdown(tables))
    write_json(options.output / "stress.json", {**circumstances(), "tables": to_plain(tables)})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare a detector before and after fine-tuning on a stress set.")
    parser.add_argument("ordinary", type=Path, metavar="ORDINARY", help="a data set of real clips and ordinary fakes")
    parser.add_argument("stress", type=Path, metavar="STRESS", help="a folder that avsync stress made")
    parser.add_argument("--before", type=Path, required=True, metavar="FILE", help="the model, calibrated")
    parser.add_argument("--after", type=Path, required=True, metavar="FILE", help="the fine-tuned model, calibrated")
    parser.add_argument("--unseen", metavar="KINDS", help="kinds that fine-tuning left out, joined by commas")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("runs/benchmark_stress"))
    return parser.parse_args()


def _trained_on(weights: Path) -> set[str]:
    """The people that a model learned from, as its `model.json` says."""
    try:
        told = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
        return set(told["provenance"]["data"]["trained_on"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{weights}: no file beside it says whom it learned from") from error


def _wanted(record: ClipRecord, unseen: str | None) -> bool:
    return unseen is None or record.method in unseen.split(",")


def _row(name: str, weights: Path, ordinary: Sequence[ClipRecord], stress: Sequence[ClipRecord], folder: Path) -> Row:
    clips = {
        what: _judged(records, weights, folder / name / what)
        for what, records in (("ordinary", ordinary), ("stress", stress))
    }
    figures: dict[str, Estimate] = {f"AUC {what}": ranked(auc, of, anomaly) for what, of in clips.items()}
    figures |= {f"false alarms {what}": flagged(clip for clip in of if clip.real) for what, of in clips.items()}
    return {"model": name, **figures}


def _judged(records: Sequence[ClipRecord], weights: Path, folder: Path) -> list[Clip]:
    detector = Detector(weights, **_OPTIONS)
    settings = settings_of(detector, _OPTIONS)
    evaluate(records, detector.score, folder, settings=settings, on_progress=lambda *of: say(folder.name, *of))
    verdicts = VerdictFile(folder, settings).read()
    return [Clip(record, verdicts[record.name]) for record in records]


if __name__ == "__main__":
    main()
