"""Measure the voice check on real and synthetic speech, as it is and degraded; nothing is trained.

    python scripts/benchmark_voice.py ROOT --weights FILE --output runs/voice

prints Markdown and writes the same figures to `voice.json`. ROOT is a data set of speech, such as a folder with
`meta.csv` (`avsync/datasets/manifest.py`). Real clips of people who may calibrate a model are left out. The tables:

- the figures of `avsync evaluate --protocol speech`, by kind and system, beside the shortcuts;
- the same, in a row for each step, after codecs, telephone, noise, reverb, resampling and gain. An ordinary step is no
  evidence: the false alarms must stay, and what cannot be judged any more must be refused. Each step is a manipulation
  of `avsync evaluate --robustness`, which has the audio-mixing test too.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmark.bench import LEVEL
from benchmark.report import Tables, circumstances, say, to_markdown

from avsync.datasets import ClipRecord, open_dataset, with_role
from avsync.detector import Detector
from avsync.errors import AvsyncError, CannotJudge
from avsync.evaluate import Settings, evaluate
from avsync.evaluate.json_files import write_json
from avsync.evaluate.manipulations import CannotManipulate, Manipulation, Source, named
from avsync.evaluate.protocols.speech_summary import SpeechSummary
from avsync.evaluate.table import Row, to_plain

_STEPS = (
    "as it is,MP3 64 kbps,MP3 32 kbps,AAC 32 kbps,Opus 16 kbps,telephone,noise 20 dB,noise 10 dB,reverb,8 kHz and back,"
    "11.025 kHz and back,gain"
)


def main() -> None:
    """Print each table as soon as it is measured."""
    options = _options()
    try:
        detector = Detector(options.weights, checks=options.checks, level=LEVEL, baselines=True)
        model = (detector.model, detector.weights_sha256, detector.checks)
        settings = Settings(*model, "default", "dlib", LEVEL, detector.calibration_sha256)
        records = with_role(open_dataset(options.root), "report")
        facts = {**circumstances(), "model": detector.model, "weights_sha256": detector.weights_sha256}
        print(", ".join(f"{name} {fact}" for name, fact in facts.items()), end="\n\n")
        tables: Tables = {}
        rows: list[Row] = []
        for step in named(options.only):
            folder = options.output / step.name.replace(" ", "_")
            summary = evaluate(
                degraded(records, step, folder / "clips"),
                detector.score,
                folder,
                settings=settings,
                protocol="speech",
            )
            assert isinstance(summary, SpeechSummary)
            rows.append(step_row(step.name, summary))
            if len(rows) == 1:
                _show(tables, {f"{heading}: {step.name}": table for heading, table in summary.tables().items()})
                print("\n".join(summary.notes()), end="\n\n", flush=True)
        _show(tables, {"Step by step": rows})
        write_json(options.output / "voice.json", {**facts, "tables": to_plain(tables)})
    except AvsyncError as error:
        sys.exit(f"benchmark_voice: {error}")


def degraded(records: Sequence[ClipRecord], step: Manipulation, folder: Path) -> list[ClipRecord]:
    """Return the clips after a step, each made anew unless its file is there; one that cannot be read stays missing."""
    made = []
    for number, record in enumerate(records):
        target = folder / f"{number:06d}"
        there = next(folder.glob(f"{target.name}.*"), None)
        try:
            path = there or step.make(Source(record.path, record.audio), target, random.Random(record.name))
        except (CannotJudge, CannotManipulate):
            path = target
        made.append(replace(record, path=path))
        say(step.name, number + 1, len(records))
    return made


def step_row(name: str, summary: SpeechSummary) -> Row:
    """Return one row of the table of steps: coverage, AUC by kind, systems, false alarms, and the best shortcut."""
    shortcut, figure = max(summary.overall.baselines.items(), key=lambda item: np.nan_to_num(item[1].value))
    row: Row = {
        "step": name,
        "judged real": f"{summary.real.judged}/{summary.real.clips}",
        "judged fake": f"{summary.fake.judged}/{summary.fake.clips}",
        "AUC": summary.overall.auc,
        "EER": summary.overall.equal_error_rate,
    }
    row |= {f"AUC {kind.kind}": kind.auc for kind in summary.kinds if kind.kind}
    row |= {
        "AUC, median system": summary.over_systems["median"].auc,
        f"real with p ≤ {LEVEL:g}": summary.false_alarms[f"{LEVEL:g}"],
        "flagged fakes": summary.overall.flagged,
        "AUC of the best shortcut": figure,
        "which": shortcut.replace("_", " "),
    }
    return row


def _show(tables: Tables, more: Tables) -> None:
    tables |= more
    print(to_markdown(more), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the voice check on real and synthetic speech.")
    parser.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a calibrated checkpoint")
    parser.add_argument("--checks", metavar="NAMES", default="voice", help="checks to ask (default: voice)")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("runs/voice"), help="for clips and results")
    parser.add_argument(
        "--only", metavar="NAME,…", default=_STEPS, help=f"manipulations whose names begin so (default: {_STEPS})"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
