"""The protocol "segments": where in a clip something is fake, by the proposals of each check and of all together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from avsync.datasets.record import ClipRecord, Spans
from avsync.errors import UsageError
from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import Estimate, Floats
from avsync.evaluate.protocols.common import Clip, Coverage, checks_of, coverage, judged
from avsync.evaluate.protocols.interface import SCHEMA
from avsync.evaluate.results import Settings, StoredVerdict
from avsync.evaluate.segment_metrics import (
    AP_THRESHOLDS,
    AR_PROPOSALS,
    FRAME_RATE,
    SegmentFigures,
    fake_frames,
    frame_auc,
    segment_figures,
)
from avsync.evaluate.table import Row, Tables

ALL = "all checks"
# What may be fake, and where a record says it.
_SIDES: dict[str, Callable[[ClipRecord], Spans | None]] = {
    "picture or sound": lambda record: record.fake_spans,
    "picture": lambda record: record.visual_fake_spans,
    "sound": lambda record: record.audio_fake_spans,
}


@dataclass(frozen=True, slots=True)
class Located:
    """How well the fake stretches of one side are found by the proposals of one check, or of all.

    Attributes:
        side: "picture or sound", "picture" or "sound".
        check: its name, or `ALL`.
        clips, spans: how many there are.
        segments: AP and AR.
        frames: the AUC of frames, each scored by its best proposal.
    """

    side: str
    check: str
    clips: int
    spans: int
    segments: SegmentFigures
    frames: Estimate


@dataclass(frozen=True, slots=True)
class SegmentsSummary:
    """The figures of a data set.

    Attributes:
        settings: what the verdicts were made with.
        real, fake: how many clips there are; fakes that are fake from start to end, or do not say where, are left out.
        left_out: how many such fakes there are.
        located: by side and check.
    """

    settings: Settings
    real: Coverage
    fake: Coverage
    left_out: int
    located: list[Located]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, "protocol": "segments", **plain(self)}

    def tables(self) -> Tables:
        """Return a table of AP and frame AUC, and one of AR."""
        return {
            "Average precision of segments, and ROC AUC of frames": [_precision_row(of) for of in self.located],
            "Average recall of segments": [_recall_row(of) for of in self.located],
        }

    def notes(self) -> list[str]:
        """Return lines that explain the tables."""
        return [
            self.real.told("real"),
            self.fake.told("partly fake"),
            f"Left out: {self.left_out} fakes that are fake from start to end, or do not say where.",
            "AP@t: proposals that overlap a fake stretch by more than t (intersection over union) are hits. AR@n: with "
            "the n best proposals of a clip. A clip that cannot be judged has no proposal: its stretches are missed.",
        ]


def summarise(
    records: Sequence[ClipRecord], results: Mapping[str, StoredVerdict], settings: Settings
) -> SegmentsSummary:
    """Find out how well fake stretches are located, with 95 % bootstrap intervals by identity.

    Args:
        records: the clips.
        results: by name of the clip, what is stored of each of them.
        settings: what all verdicts were made with.

    Raises:
        UsageError: no clip says where it is fake.
    """
    clips = [Clip(record, results[record.name]) for record in records]
    partial = [clip for clip in clips if clip.record.fake_spans]
    if not partial:
        raise UsageError("--protocol segments: no clip of this data set says where it is fake")
    real = [clip for clip in clips if clip.real]
    used = [*real, *partial]
    return SegmentsSummary(
        settings=settings,
        real=coverage(real),
        fake=coverage(partial),
        left_out=len(clips) - len(used),
        located=[
            _located(used, side, check) for side in _SIDES if _told(used, side) for check in (ALL, *checks_of(used))
        ],
    )


def _told(clips: Sequence[Clip], side: str) -> bool:
    """Whether every clip says which stretches of a side are fake, and some are."""
    spans = [_SIDES[side](clip.record) for clip in clips if not clip.real]
    return all(of_clip is not None for of_clip in spans) and any(spans)


def _located(clips: Sequence[Clip], side: str, check: str) -> Located:
    spans = [np.array(_SIDES[side](clip.record) or (), np.float64).reshape(-1, 2) for clip in clips]
    proposals = [_proposals(clip, check) for clip in clips]
    identities = [clip.record.identity for clip in clips]
    lowest = min((float(of.min()) for of in (p[:, 2] for p in proposals) if len(of)), default=0.0)
    lengths = [max([clip.verdict.duration, *of[:, 1]]) for clip, of in zip(clips, spans, strict=True)]
    counts = [max(1, ceil(length * FRAME_RATE)) for length in lengths]
    return Located(
        side=side,
        check=check,
        clips=sum(map(judged, clips)),
        spans=sum(map(len, spans)),
        segments=segment_figures(proposals, spans, identities),
        frames=frame_auc(
            [fake_frames(of, count) for of, count in zip(spans, counts, strict=True)],
            [_frame_scores(of, count, lowest) for of, count in zip(proposals, counts, strict=True)],
            identities,
        ),
    )


def _proposals(clip: Clip, check: str) -> Floats:
    """Start, end (s) and score of the proposals of a check, or of all checks, whose scores have one unit: [n, 3]."""
    checks = clip.verdict.checks
    chosen = checks.values() if check == ALL else [checks[check]] if check in checks else []
    rows = [(p.start, p.end, p.score) for of in chosen for p in of.proposals]
    return np.array(rows, np.float64).reshape(-1, 3)


def _frame_scores(proposals: Floats, count: int, lowest: float) -> Floats:
    """The score of the best proposal over each frame, and a lower one than all where there is none: [count]."""
    scores = np.full(count, lowest - 1.0)
    for start, end, score in proposals[np.argsort(proposals[:, 2])]:
        scores[round(start * FRAME_RATE) : round(end * FRAME_RATE)] = score
    return scores


def _precision_row(of: Located) -> Row:
    precision = {f"AP@{t:g}": of.segments.average_precision[t] for t in AP_THRESHOLDS}
    return {"fake": of.side, "check": of.check, "stretches": of.spans, **precision, "frame AUC": of.frames}


def _recall_row(of: Located) -> Row:
    recall = {f"AR@{n}": of.segments.average_recall[n] for n in AR_PROPOSALS}
    return {"fake": of.side, "check": of.check, **recall}
