"""Scores for each frame, and the segments that they propose."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.media import FPS
from avsync.score.quantiles import Floats
from avsync.score.verdict import Proposal
from avsync.score.windows import WindowScore

# A frame is judged by the 0.6 s around it: two to three syllables.
MOMENT = 15
# A moment counts if it holds at least this share of the speech of the fullest one.
_LEAST_SPEECH = 0.5
# Proposals are the stretches above each of so many levels between the median and the highest score (temporal actionness
# grouping, Zhao et al., "Temporal action detection with structured segment networks", ICCV 2017, section 4).
_LEVELS = 12
_SHORTEST, _LONGEST_GAP = 5, 5  # frames of a proposal, and of a gap that it may bridge: 0.2 s
# A proposal that overlaps a better one by more than this share of their union is left out.
_SAME = 0.8
# AR is measured with up to 100 proposals (LAV-DF, AV-Deepfake1M).
MOST_PROPOSALS = 100


@dataclass(frozen=True, slots=True)
class FrameScores:
    """Scores of consecutive windows of one face, or of the recording, frame by frame.

    Attributes:
        times: the middle of each frame (s), rising, float64 [n].
        scores: high is anomalous, NaN where nobody speaks, float64 [n].
    """

    times: Floats
    scores: Floats


def moments(values: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.float32]:
    """The weighted mean of values [T] over the 0.6 s around each, float32 [T].

    At the ends it is that of the first or last whole moment; NaN where a moment holds little weight.

    Args:
        values: [T], NaN where not known.
        weight: [T], such as the share of speech.
    """
    length = min(MOMENT, len(values))
    known = weight * ~np.isnan(values)
    sums = np.stack([np.nan_to_num(values) * known, known]).astype(np.float64)
    within = np.lib.stride_tricks.sliding_window_view(sums, length, axis=1).sum(axis=2)
    mean = within[0] / np.maximum(within[1], 1e-6)
    mean[within[1] < max(_LEAST_SPEECH * within[1].max(), 1e-6)] = np.nan
    before = (length - 1) // 2
    return np.pad(mean, (before, length - 1 - before), mode="edge").astype(np.float32)


def moment_scores(windows: Sequence[WindowScore], score: Callable[[Floats], Floats]) -> FrameScores | None:
    """Score each frame of consecutive windows by its moment; None where the check sees nothing finer than windows.

    Args:
        windows: of one face, or of the recording.
        score: of moments [T], NaN where nobody speaks.
    """
    known = [(window.start, window.moments) for window in windows if window.moments is not None]
    if not known:
        return None
    times = [start + (np.arange(len(moments)) + 0.5) / FPS for start, moments in known]
    return FrameScores(np.concatenate(times), np.concatenate([score(m.astype(np.float64)) for _, m in known]))


def propose(frames: FrameScores, track: int | None) -> list[Proposal]:
    """Propose segments, the best first: stretches whose frames score higher than those around them.

    The score is the mean inside less that of as many frames around it (outer-inner contrast, Shou et al., "AutoLoc",
    ECCV 2018, section 3.3), times the root of the length, because longer means vary less.
    """
    scores = frames.scores
    known = scores[~np.isnan(scores)]
    if not len(known):
        return []
    low, high = np.median(known), known.max()
    # Silence is no evidence: it counts as ordinary.
    filled = np.where(np.isnan(scores), low, scores)
    total = np.concatenate([[0.0], np.cumsum(filled)])
    spans = dict.fromkeys(
        span for level in np.linspace(low, high, _LEVELS, endpoint=False) for span in _stretches(filled > level)
    )
    ranked = sorted(((_contrast(total, begin, end), begin, end) for begin, end in spans), reverse=True)
    return [
        Proposal(
            round(float(frames.times[begin]) - 0.5 / FPS, 3),
            round(float(frames.times[end - 1]) + 0.5 / FPS, 3),
            round(score, 4),
            track,
        )
        for score, begin, end in _distinct(ranked)
    ]


def _stretches(above: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Stretches [begin, end) of frames above a level, with short gaps bridged; too short ones are left out."""
    edges = np.flatnonzero(np.diff(above, prepend=False, append=False)).reshape(-1, 2)
    if not len(edges):
        return
    far = np.flatnonzero(edges[1:, 0] - edges[:-1, 1] > _LONGEST_GAP)
    begins, ends = edges[np.r_[0, far + 1], 0], edges[np.r_[far, len(edges) - 1], 1]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin >= _SHORTEST:
            yield begin, end


def _contrast(total: Floats, begin: int, end: int) -> float:
    """The score of [begin, end), of the running sum [n + 1] of frame scores."""
    inside, length = total[end] - total[begin], end - begin
    first, last = max(0, begin - length // 2), min(len(total) - 1, end + length // 2)
    around = last - first - length
    outside = (total[last] - total[first] - inside) / around if around else 0.0
    return float((inside / length - outside) * length**0.5)


def _distinct(ranked: Sequence[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """The best, without those that are nearly the same as a better one."""
    kept: list[tuple[float, int, int]] = []
    for score, begin, end in ranked:
        if len(kept) == MOST_PROPOSALS:
            break
        if all(_overlap(begin, end, *other[1:]) <= _SAME for other in kept):
            kept.append((score, begin, end))
    return kept


def _overlap(begin: int, end: int, other_begin: int, other_end: int) -> float:
    """Intersection over union."""
    shared = min(end, other_end) - max(begin, other_begin)
    return max(0, shared) / (max(end, other_end) - min(begin, other_begin))
