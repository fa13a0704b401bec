"""Small charts as inline SVG: a check's place among real recordings, and the lag curve."""

from collections.abc import Sequence

import numpy as np

_BINS = 28
_WIDTH, _HEIGHT, _FOOT, _HEAD = 280, 66, 14, 14  # units of the drawing
_CURVE = (280, 90)


def histogram(scores: Sequence[float], score: float, level: float) -> str:
    """Return how real recordings score, and where this one lies.

    Args:
        scores: quantiles of real recordings at evenly spaced shares from 0 to 1.
        score: of this recording.
        level: the share of real recordings beyond which bars are marked.
    """
    low, high = min(scores[0], score), max(scores[-1], score)
    span = max(high - low, 1e-6)
    edges = np.linspace(low, low + span, _BINS + 1)
    # A quantile that several shares have is a step of the distribution: the last share of it counts.
    shares = np.interp(edges, scores, np.linspace(0, 1, len(scores)), left=0.0, right=1.0)
    bars = np.diff(shares)
    limit = float(np.interp(1 - level, np.linspace(0, 1, len(scores)), scores))
    wide, tall = _WIDTH / _BINS, _HEIGHT - _FOOT - _HEAD
    drawn = []
    for index, share in enumerate(bars):
        height = tall * share / max(bars.max(), 1e-9)
        kind = "beyond" if edges[index] >= limit else "real"
        drawn.append(
            f'<rect class="{kind}" x="{index * wide:.1f}" y="{_HEAD + tall - height:.1f}" width="{wide - 1:.1f}" '
            f'height="{height:.1f}"/>'
        )
    x = _WIDTH * (score - low) / span
    anchor = "start" if x < 0.3 * _WIDTH else "end" if x > 0.7 * _WIDTH else "middle"
    return (
        f'<svg class="histogram" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="xMinYMid" role="img" '
        f'aria-label="{_words(scores, score)}">'
        f"{''.join(drawn)}"
        f'<line class="here" x1="{x:.1f}" x2="{x:.1f}" y1="{_HEAD - 2}" y2="{_HEIGHT - _FOOT}"/>'
        f'<text class="name" x="{x:.1f}" y="10" text-anchor="{anchor}">this recording</text>'
        f'<text x="0" y="{_HEIGHT - 2}">ordinary</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 2}" text-anchor="end">unusual</text></svg>'
    )


def lag_curve(values: Sequence[float], reach_ms: float, lag_ms: float) -> str:
    """Return the mean of the lattice at each offset, from -`reach_ms` to `reach_ms`, with the lag marked."""
    width, height = _CURVE
    curve = np.asarray(values)
    x = np.linspace(0, width, len(curve))
    y = height - 22 - (height - 30) * (curve - curve.min()) / max(float(np.ptp(curve)), 1e-6)
    path = " ".join(f"{'L' if index else 'M'}{a:.1f} {b:.1f}" for index, (a, b) in enumerate(zip(x, y, strict=True)))
    here = width * (lag_ms + reach_ms) / (2 * reach_ms)
    foot = height - 18
    words = f"The lips fit the speech best {abs(lag_ms):.0f} ms {'later' if lag_ms >= 0 else 'earlier'}."
    return (
        f'<svg class="curve" viewBox="0 0 {width} {height}" role="img" aria-label="{words}">'
        f'<line x1="0" x2="{width}" y1="{foot}" y2="{foot}"/>'
        f'<line class="here" x1="{here:.1f}" x2="{here:.1f}" y1="0" y2="{foot}"/><path d="{path}"/>'
        f'<text x="0" y="{height - 4}">−{reach_ms:.0f} ms</text>'
        f'<text x="{width / 2}" y="{height - 4}" text-anchor="middle">0</text>'
        f'<text x="{width}" y="{height - 4}" text-anchor="end">+{reach_ms:.0f} ms</text></svg>'
    )


def _words(scores: Sequence[float], score: float) -> str:
    below = float(np.interp(score, scores, np.linspace(0, 1, len(scores))))
    return f"{100 * below:.0f} % of real recordings score lower than this one."
