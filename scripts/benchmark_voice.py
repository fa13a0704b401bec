"""Measure the voice check on real and synthetic speech, as it is and degraded; nothing is trained.

    python scripts/benchmark_voice.py ROOT --weights FILE --output runs/voice

prints Markdown and writes the same figures to `voice.json`. ROOT is a data set of speech, such as a folder with
`meta.csv` (`avsync/datasets/manifest.py`). Real clips of people who may calibrate a model are left out. The tables:

- the figures of `avsync evaluate --protocol speech`, by kind and system, beside the shortcuts;
- the same, in a row for each step, after codecs, telephone, noise, reverb, resampling and gain. An ordinary step is no
  evidence: the false alarms must stay, and what cannot be judged any more must be refused;
- the audio-mixing test (`scripts/benchmark/mixing.py`), if the data set names copies of real clips.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from benchmark.bench import LEVEL
from benchmark.degrade_speech import DegradeSpeech, speech_steps
from benchmark.mixing import mixing, pairs
from benchmark.report import Tables, circumstances, say, to_markdown

from avsync.datasets import ClipRecord, open_dataset, with_role
from avsync.detector import Detector
from avsync.errors import AvsyncError, CannotJudge
from avsync.evaluate import Settings, evaluate
from avsync.evaluate.json_files import write_json
from avsync.evaluate.protocols.speech_summary import SpeechSummary
from avsync.evaluate.table import Row, to_plain


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
        for name, degrade in speech_steps(options.only):
            folder = options.output / name.replace(" ", "_")
            summary = evaluate(
                degraded(records, name, degrade, folder / "clips"),
                detector.score,
                folder,
                settings=settings,
                protocol="speech",
            )
            assert isinstance(summary, SpeechSummary)
            rows.append(step_row(name, summary))
            if len(rows) == 1:
                _show(tables, {f"{heading}: {name}": table for heading, table in summary.tables().items()})
                print("\n".join(summary.notes()), end="\n\n", flush=True)
        _show(tables, {"Step by step": rows})
        if found := list(pairs(records)):
            with TemporaryDirectory(prefix="avsync-") as folder:
                _show(tables, {"Real speech mixed with a copy of it": mixing(found, detector.score, Path(folder))})
        write_json(options.output / "voice.json", {**facts, "tables": to_plain(tables)})
    except AvsyncError as error:
        sys.exit(f"benchmark_voice: {error}")


def degraded(records: Sequence[ClipRecord], name: str, degrade: DegradeSpeech, folder: Path) -> list[ClipRecord]:
    """Return the clips after a step, each made anew unless its file is there; one that cannot be read stays missing."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, record in enumerate(records):
        there = [path for path in folder.glob(f"{number:06d}.*") if path.suffix != ".part"]
        try:
            path = there[0] if there else _make(degrade, record, folder / f"{number:06d}")
        except CannotJudge:
            path = folder / f"{number:06d}"
        made.append(replace(record, path=path))
        say(name, number + 1, len(records))
    return made


def _make(degrade: DegradeSpeech, record: ClipRecord, target: Path) -> Path:
    """A stop must leave no half-written clip under its name: it is written elsewhere and moved."""
    with TemporaryDirectory(dir=target.parent, suffix=".part") as folder:
        path = degrade(record.path, Path(folder) / target.name, random.Random(record.name))
        return path.rename(target.parent / path.name)


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
    parser.add_argument("--only", metavar="NAME,…", help="only steps whose names begin so, such as 'as it is,MP3'")
    return parser.parse_args()


if __name__ == "__main__":
    main()
