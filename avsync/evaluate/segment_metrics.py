"""How well fake segments are found in time: AP@IoU, AR@N and the AUC of frames, with intervals by identity.

AP and AR are defined as by the data sets that made them common: LAV-DF (Cai et al., DICTA 2022, arXiv 2204.06228;
`metrics.py` of github.com/ControlNet/LAV-DF) and AV-Deepfake1M (Cai et al., ACM MM 2024, arXiv 2311.15308;
`src/loc_1d.rs` of github.com/ControlNet/AV-Deepfake1M):

- A proposal fits a fake span if their intersection over union is *above* the threshold.
- AP: in each clip the spans, in the order of time, take one proposal each: of those that fit and are not taken, the one
  with the highest score. Taken proposals are hits, all others are false. The proposals of all clips are ranked by
  score, and the precision is averaged over recall, after each precision is raised to the highest at the same or a
  higher recall. Equal scores keep the order of clips: rank by a score with many values.
- AR@N: the share of the spans of all clips that one of the N best proposals of their clip fits (one may fit several),
  averaged over the thresholds 0.5, 0.55, …, 0.95.

Two things differ from the published code, because they are slips there: it leaves out the area before the first hit
(at most 1 divided by the number of spans, so that a perfect result of one span gets 0), and its AR forgets the spans of
clips without any proposal (here they are missed).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.evaluate.metrics import Estimate, Flags, Floats, estimate

AP_THRESHOLDS = (0.5, 0.75, 0.9, 0.95)
AR_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
AR_PROPOSALS = (5, 10, 20, 30, 50, 100)
FRAME_RATE = 25  # Hz

Integers = NDArray[np.int64]

_NEVER = np.iinfo(np.int64).max
# Pairs of a proposal and a span are compared in batches of about this many, so that memory does not grow with them.
_BATCH = 1_000_000


@dataclass(frozen=True, slots=True)
class SegmentFigures:
    """How well spans are found, each figure with its 95 % interval; NaN if there is no span.

    Attributes:
        average_precision: AP by threshold of the intersection over union.
        average_recall: AR by number of proposals.
    """

    average_precision: dict[float, Estimate]
    average_recall: dict[int, Estimate]


@dataclass(frozen=True, slots=True)
class Matches:
    """Which proposals of which clips fit fake spans.

    Attributes:
        proposal_clip: the clip of each proposal, the highest score of all clips first, int [p].
        hit: by threshold of `AP_THRESHOLDS`, whether a span took the proposal, bool [4, p].
        span_clip: the clip of each span, int [s].
        found_at: by threshold of `AR_THRESHOLDS`, the rank in its clip, from 1, of the first proposal that fits the
            span, int [10, s]; the largest integer if none does.
    """

    proposal_clip: Integers
    hit: Flags
    span_clip: Integers
    found_at: Integers


@dataclass(frozen=True, slots=True)
class _Pairs:
    """A span and a proposal of the same clip that overlap by more than the lowest threshold: all of shape [n].

    They stand in the order of `turn`, the number of the span within its clip, then of spans, then of proposals.
    """

    turn: Integers
    span: Integers
    proposal: Integers
    iou: Floats


def segment_figures(proposals: Sequence[Floats], spans: Sequence[Floats], identities: Sequence[str]) -> SegmentFigures:
    """Return AP and AR of the proposals of all clips, with bootstrap intervals by identity.

    Args:
        proposals: of each clip, what a detector proposes, [n, 3]: start (s), end (s), score (high is fake); any order.
        spans: of each clip, what is fake, [m, 2]: start (s), end (s); empty for a real clip.
        identities: the person of each clip.

    Raises:
        UsageError: as `match_segments`.
    """
    found = match_segments(proposals, spans)
    return SegmentFigures(
        {t: estimate(partial(average_precision, found, t), identities) for t in AP_THRESHOLDS},
        {n: estimate(partial(average_recall, found, n), identities) for n in AR_PROPOSALS},
    )


def match_segments(proposals: Sequence[Floats], spans: Sequence[Floats]) -> Matches:
    """Return which proposals fit which spans; both as in `segment_figures`.

    Raises:
        UsageError: an array has another shape, a number that is not finite, or a segment that ends before it starts;
            or there are proposals of more or fewer clips than spans.
    """
    if len(proposals) != len(spans):
        raise UsageError(f"proposals of {len(proposals)} clips, but fake spans of {len(spans)}")
    proposed, proposal_clip = _joined(proposals, 3, "proposals")
    true, span_clip = _joined(spans, 2, "fake spans")
    best_first = np.lexsort((-proposed[:, 2], proposal_clip))  # stable: equal scores keep their order
    proposed, proposal_clip = proposed[best_first], proposal_clip[best_first]
    in_time = np.lexsort((true[:, 0], span_clip))
    true, span_clip = true[in_time], span_clip[in_time]

    pairs = _pairs(proposed, proposal_clip, true, span_clip)
    hit = np.stack([_taken(pairs, threshold, len(proposed)) for threshold in AP_THRESHOLDS])
    rank = _position_in_clip(proposal_clip) + 1
    found_at = np.full((len(AR_THRESHOLDS), len(true)), _NEVER)
    for row, threshold in zip(found_at, AR_THRESHOLDS, strict=True):
        fits = pairs.iou > threshold
        np.minimum.at(row, pairs.span[fits], rank[pairs.proposal[fits]])
    ranked = np.argsort(-proposed[:, 2], kind="stable")
    return Matches(proposal_clip[ranked], hit[:, ranked], span_clip, found_at)


def average_precision(matches: Matches, threshold: float, weight: Floats) -> Floats:
    """Return AP at a threshold of `AP_THRESHOLDS`, NaN where no span has weight. `weight` of clips [d, c] → [d]."""
    hit = matches.hit[AP_THRESHOLDS.index(threshold)]
    area = [_area(row[matches.proposal_clip], hit) for row in weight]  # row by row: it fits into the processor's cache
    return _over(np.array(area), weight @ np.bincount(matches.span_clip, minlength=weight.shape[1]))


def average_recall(matches: Matches, proposals: int, weight: Floats) -> Floats:
    """Return AR at a number of proposals, NaN where no span has weight. `weight` of clips [d, c] → [d]."""
    found = (matches.found_at <= proposals).mean(0)  # the share of thresholds at which each span is found
    of_clip, spans = (np.bincount(matches.span_clip, of, weight.shape[1]) for of in (found, None))
    return _over(weight @ of_clip, weight @ spans)


def fake_frames(spans: Floats, frames: int, rate: float = FRAME_RATE) -> Flags:
    """Return which frames are fake: those whose middle lies in a span [start, end) (s). [m, 2] → bool [frames]."""
    middle = (np.arange(frames) + 0.5) / rate
    start, end = np.asarray(spans, np.float64).reshape(-1, 2).T[:, :, None]
    return np.asarray(((start <= middle) & (middle < end)).any(0))


def frame_auc(fake: Sequence[Flags], score: Sequence[Floats], identities: Sequence[str]) -> Estimate:
    """Return the area under the ROC curve of the frames of all clips together, with its interval by identity.

    Args:
        fake: of each clip, which frames are fake, bool [t], such as `fake_frames` gives.
        score: of each clip, the score of each frame, [t], high is fake. A frame that was not judged needs one too, such
            as the lowest: a detector must not gain by leaving frames out.
        identities: the person of each clip.

    Raises:
        UsageError: a clip has more or fewer scores than frames, or a score that is not a number.
    """
    for clip, (of_fake, of_score) in enumerate(zip(fake, score, strict=True)):
        if np.shape(of_fake) != np.shape(of_score) or np.isnan(of_score).any():
            raise UsageError(f"clip {clip}: needs one score for each of its {len(of_fake)} frames, and no NaN")
    clip_of = np.repeat(np.arange(len(fake)), [len(one) for one in fake])
    flags, scores = np.concatenate([np.empty(0, bool), *fake]), np.concatenate([np.empty(0), *score])
    order = np.argsort(scores)
    flags, scores, clip_of = flags[order], scores[order], clip_of[order]
    fake_clip, real_clip = clip_of[flags], clip_of[~flags]
    # The share of pairs in which the fake frame scores higher, equal scores counting half (Mann-Whitney).
    below, not_above = (np.searchsorted(scores[~flags], scores[flags], side=side) for side in ("left", "right"))

    def of_clips(weight: Floats) -> Floats:
        area, pairs = [], []
        for row in weight:  # row by row: there are many more frames than clips
            of_fake, real = row[fake_clip], np.append(0, np.cumsum(row[real_clip]))
            area.append(of_fake @ (real[below] + real[not_above]) / 2)
            pairs.append(of_fake.sum() * real[-1])
        return _over(np.array(area), np.array(pairs))

    return estimate(of_clips, identities)


def _joined(clips: Sequence[Floats], columns: int, what: str) -> tuple[Floats, Integers]:
    """The rows of all clips, float64 [n, columns], and the clip of each, int [n]."""
    arrays = [np.asarray(clip, np.float64) for clip in clips]
    arrays = [array.reshape(0, columns) if array.size == 0 else array for array in arrays]
    for clip, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != columns:
            raise UsageError(f"clip {clip}: {what} must be of shape [n, {columns}], not {list(array.shape)}")
        if not np.isfinite(array).all():
            raise UsageError(f"clip {clip}: {what} hold a number that is not finite")
        if (array[:, 1] < array[:, 0]).any():
            raise UsageError(f"clip {clip}: {what} hold a segment that ends before it starts")
    rows = np.concatenate([np.empty((0, columns)), *arrays])
    return rows, np.repeat(np.arange(len(arrays)), [len(array) for array in arrays]).astype(np.int64)


def _pairs(proposed: Floats, proposal_clip: Integers, true: Floats, span_clip: Integers) -> _Pairs:
    """Compare each span with the proposals of its clip; both stand in the order of clips."""
    first = np.searchsorted(proposal_clip, span_clip)
    count = np.searchsorted(proposal_clip, span_clip, side="right") - first
    batches = np.array_split(np.arange(len(true)), max(1, min(len(true), int(count.sum()) // _BATCH)))
    found = [_overlapping(batch, first, count, proposed, true) for batch in batches]
    span, proposal, iou = (np.concatenate([one[part] for one in found]) for part in range(3))
    turn = _position_in_clip(span_clip)[span.astype(np.int64)]
    order = np.argsort(turn, kind="stable")
    return _Pairs(turn[order], span[order].astype(np.int64), proposal[order].astype(np.int64), iou[order])


def _overlapping(
    spans: Integers, first: Integers, count: Integers, proposed: Floats, true: Floats
) -> tuple[Integers, Integers, Floats]:
    """The span, the proposal and the overlap of the pairs above the lowest threshold."""
    count = count[spans]
    span = np.repeat(spans, count)
    proposal = np.arange(len(span)) + np.repeat(first[spans] - (np.cumsum(count) - count), count)
    (start, end), (true_start, true_end) = proposed[proposal, :2].T, true[span].T
    shared = np.maximum(0, np.minimum(end, true_end) - np.maximum(start, true_start))
    either = (end - start) + (true_end - true_start) - shared
    iou = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    near = iou > min(AP_THRESHOLDS + AR_THRESHOLDS)
    return span[near], proposal[near], iou[near]


def _taken(pairs: _Pairs, threshold: float, proposals: int) -> Flags:
    """Which proposals are taken by a span: the first span of every clip chooses, then the second, and so on."""
    taken = np.zeros(proposals, bool)
    fits = pairs.iou > threshold
    turn, span, proposal = pairs.turn[fits], pairs.span[fits], pairs.proposal[fits]
    for start, end in _runs(turn):
        free = ~taken[proposal[start:end]]
        _, best = np.unique(span[start:end][free], return_index=True)
        taken[proposal[start:end][free][best]] = True
    return taken


def _runs(values: Integers) -> list[tuple[int, int]]:
    """The start and the end of each run of equal values. [n]."""
    changes = (np.flatnonzero(np.diff(values)) + 1).tolist()
    return list(zip([0, *changes], [*changes, len(values)], strict=True))


def _position_in_clip(clip: Integers) -> Integers:
    """0, 1, … within each clip; clips stand in order. [n] → [n]."""
    return np.asarray(np.arange(len(clip)) - np.searchsorted(clip, clip))


def _area(weight: Floats, hit: Flags) -> float:
    """The weight of hits, each times the highest precision from there on. Ranked proposals: [p], [p]."""
    # Only hits raise recall, and from a hit on the precision is highest at a hit.
    right, ranked = np.cumsum(weight[hit]), np.cumsum(weight)[hit]
    precision = np.divide(right, ranked, out=np.zeros_like(right), where=ranked > 0)
    return float(weight[hit] @ np.maximum.accumulate(precision[::-1])[::-1])


def _over(part: Floats, whole: Floats) -> Floats:
    return np.asarray(part / np.where(whole == 0, np.nan, whole))
