"""An audit as one HTML page without scripts: the conclusion, the warnings, and a small plot of each fact."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from math import isnan

import numpy as np

from avsync.evaluate.audit.cues import Cue, MeasuredClip, Separation
from avsync.evaluate.audit.facts import Value
from avsync.evaluate.audit.scores import is_word
from avsync.evaluate.audit.summary import Audit
from avsync.text import printable

_WIDTH, _HEIGHT, _BINS = 260, 64, 26
_WORDS = 6  # the most frequent ones are shown
_SHOWN = (0.01, 0.99)  # quantiles between which numbers are shown
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b;
  background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid #ddd; }
.warning { border-left: .25rem solid #b35900; padding-left: .75rem; }
.real { fill: #1f6fb2; } .fake { fill: #c4501b; fill-opacity: .65; }
.key span { padding: 0 .5rem; } figure { margin: 0; } figcaption, small { color: #555; font-size: .85rem; }
"""


def to_html(audit: Audit, clips: Sequence[MeasuredClip]) -> str:
    """Return the page.

    Args:
        audit: what was found.
        clips: the clips that it was found on.
    """
    *notes, conclusion = audit.notes()
    warnings = [note for note in notes if note.startswith("Warning: ")]
    others = [note for note in notes if note not in warnings]
    fake = [clip.record.label == "fake" for clip in clips]
    rows = "".join(_row(cue, [clip.facts[cue.fact] for clip in clips], fake) for cue in audit.cues)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Audit of a data set</title><style>{_STYLE}</style></head><body><main>"
        "<h1>What separates fakes from real clips without a look at what they show</h1>"
        f"<p><strong>{_text(conclusion)}</strong></p>"
        + "".join(f'<p class="warning">{_text(note)}</p>' for note in warnings)
        + "".join(f"<p>{_text(note)}</p>" for note in others)
        + f'<p class="key">{_key("real")}{_key("fake")}</p>'
        "<table><thead><tr><th>fact</th><th>AUC</th><th>share of clips</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></main></body></html>\n"
    )


def _row(cue: Cue, values: Sequence[Value], fake: Sequence[bool]) -> str:
    words = is_word(values)
    bars = list(_word_bars(values, fake) if words else _number_bars(values, fake))
    return (
        f"<tr><td>{_text(cue.fact)}<br><small>{_text(f'of the {cue.source}')}</small></td>"
        f"<td>{_text(_auc(cue.all))}{''.join(map(_of_type, cue.types.items()))}</td>"
        f"<td><figure><svg width='{_WIDTH}' height='{_HEIGHT}' role='img' aria-label='{_text(_described(cue))}'>"
        f"{''.join(bars)}</svg><figcaption>{_text(_caption(cue, values))}</figcaption></figure></td></tr>"
    )


def _number_bars(values: Sequence[Value], fake: Sequence[bool]) -> Iterator[str]:
    """Two histograms over the same range, one above the other, each of the share of its class."""
    low, high = _range(values)
    known = [(float(value), of) for value, of in zip(values, fake, strict=True) if isinstance(value, float | int)]
    number, is_fake = (np.array(column) for column in zip(*known, strict=True))
    shares = []
    for wanted in (False, True):
        counts, _ = np.histogram(number[is_fake == wanted].clip(low, high), _BINS, (low, high))
        shares.append(counts / max(1, counts.sum()))
    most = max(share.max() for share in shares) or 1.0
    for share, name in zip(shares, ("real", "fake"), strict=True):
        yield from (_bar(name, index / _BINS, 1 / _BINS, value / most) for index, value in enumerate(share) if value)


def _word_bars(values: Sequence[Value], fake: Sequence[bool]) -> Iterator[str]:
    """For each of the most frequent words the share of real clips and of fakes, side by side."""
    words = _words(values)
    for offset, (wanted, name) in enumerate(((False, "real"), (True, "fake"))):
        of = Counter(value for value, one in zip(values, fake, strict=True) if one == wanted and value is not None)
        for index, word in enumerate(words):
            yield _bar(name, (index + offset * 0.4) / len(words), 0.4 / len(words), of[word] / max(1, of.total()))


def _auc(group: Separation) -> str:
    found = group.auc
    return "–" if isnan(found.value) else f"{found.value:.2f} [{found.low:.2f}–{found.high:.2f}]"


def _of_type(one: tuple[str, Separation]) -> str:
    name, group = one
    return f"<br><small>{_text(f'{name} {_auc(group)}')}</small>"


def _key(name: str) -> str:
    return f'<svg width="12" height="12"><rect class="{name}" width="12" height="12"/></svg><span>{name}</span>'


def _bar(name: str, left: float, width: float, height: float) -> str:
    high = height * (_HEIGHT - 1)
    return (
        f"<rect class='{name}' x='{left * _WIDTH:.1f}' y='{_HEIGHT - high:.1f}' width='{width * _WIDTH:.1f}' "
        f"height='{high:.1f}'/>"
    )


def _range(values: Sequence[Value]) -> tuple[float, float]:
    known = np.array([value for value in values if isinstance(value, float | int)], np.float64)
    low, high = (float(bound) for bound in np.quantile(known, _SHOWN))
    return (low, high) if high > low else (float(known.min()), float(known.max()))


def _words(values: Sequence[Value]) -> list[str]:
    return [word for word, _ in Counter(str(value) for value in values if value is not None).most_common(_WORDS)]


def _caption(cue: Cue, values: Sequence[Value]) -> str:
    if is_word(values):
        return " | ".join(_words(values))
    low, high = _range(values)
    return f"{low:.4g} to {high:.4g} {cue.unit}".strip()


def _described(cue: Cue) -> str:
    return f"real clips: {cue.typical_real}, fakes: {cue.all.typical}"


def _text(text: str) -> str:
    return escape(printable(text))
