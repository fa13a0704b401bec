"""The HTML page: one file that loads nothing, to look at, to play and to print."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from avsync.checks.registry import CHECKS
from avsync.report.article import article, badge, text
from avsync.report.subjects import check_names
from avsync.report.wording import LABELS, question
from avsync.score.verdict import Verdict

Link = Callable[[Verdict], str | None]

# Only this page's own style and script count, by their hashes, and nothing is loaded but the recording itself.
_POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; "
    "media-src 'self' file: data: blob:; base-uri 'none'; form-action 'none'"
)
# The order of verdicts when the list is sorted by them.
_RANKS = ("suspicious", "cannot_judge", "measured", "consistent")
_HATCH = """<svg class="defs" aria-hidden="true"><defs><pattern id="hatch" width="6" height="6"
patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6"/></pattern></defs></svg>"""

_CONTROLS = """<div class="controls" role="search" hidden>
<label>Name <input type="search" name="words" autocomplete="off"></label>
<label>Verdict <select name="verdict"><option value="">all</option>{verdicts}</select></label>
<label>Order <select name="order"><option value="given">as given</option><option value="p">p-value</option>
<option value="name">name</option><option value="verdict">verdict</option></select></label>
<p class="soft count" role="status"></p>
</div>"""

_HELP = """<section class="help">
<h2>How to read this page</h2>
<p>avsync asks:</p>
<ul>
{questions}
</ul>
<p>It compares each answer with real recordings. It has learned from real recordings only.</p>
<ul>
<li><b>Consistent</b>: the recording is not unusual for any of these questions. This does not prove that it is
authentic.</li>
<li><b>Suspicious</b>: few real recordings score as high. This does not prove that it is fake: look at the marked
segments, and ask for the original.</li>
<li><b>Measured</b>: the model is not calibrated on real recordings, so there is nothing to compare its readings
with.</li>
<li><b>Cannot judge</b>: face or speech are missing, too short, too small, drowned or unreadable.</li>
</ul>
<p>The <b>p-value</b> is the share of real recordings that score at least as high. It is not the probability that the
recording is fake. At a level of 0.05, about 1 in 20 real recordings is called suspicious.</p>
<p>Scores are those of windows of at most 3 s. The small histograms show how real recordings score, and where this
one lies. Pictures of faces and mouths are grey and small because that is what the checks look at.</p>
<h2>Limits</h2>
<ul>
<li>Dubbing, voice-over, translation, singing, a covered or turned mouth, another person speaking and a damaged file
score high without any intent to deceive.</li>
<li>A fake whose lips follow its speech well may pass: a face swap that keeps the mouth, a good lip-sync, picture and
voice generated together.</li>
<li>Cuts, false captions and missing context are not detected.</li>
<li>A constant lag between sound and lips is common in real files. It is shown, and does not count against the
recording.</li>
</ul>
<p>Use a verdict as one indication among others, never as the only evidence against a person.</p>
<h2>If a real recording is called suspicious</h2>
<p>That happens to about one real recording in twenty at level 0.05, more often to some people, microphones and
languages than to others. The result shows that this file is unusual beside the recordings that the model was calibrated
with. It cannot show who or what made it so. To contest it: have the original file judged instead of a copy from the
web; have other recordings of the same person with the same device judged, and if they are called suspicious too, the
result says nothing about this one; look and listen at the seconds that are named; and ask for the p-values and this
page.</p>
</section>"""


def to_html(verdicts: Sequence[Verdict], *, link: Link | None = None) -> str:
    """Return one self-contained page in English, light or dark as the reader's system is.

    Args:
        verdicts: with `figures`, if the page shall show pictures.
        link: the address of a recording as the page sees it, for the player, or None. A small copy in `figures` counts
            first.
    """
    counts = {label: sum(LABELS[verdict.verdict] == label for verdict in verdicts) for label in LABELS.values()}
    summary = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
    address = link or (lambda verdict: None)
    style, script = _static("report.css"), _static("report.js")
    policy = _POLICY.format(style=_hash(style), script=_hash(script))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>avsync report</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>avsync report</h1>
<p class="soft">{_count(len(verdicts), "file")}: {summary or "nothing was judged"}.</p>
{_HATCH}
{_recordings(verdicts, address)}
{_HELP.format(questions=_questions(check_names(verdicts) or list(CHECKS)))}
</main>
<script>{script}</script>
</body>
</html>
"""


def _recordings(verdicts: Sequence[Verdict], address: Link) -> str:
    """The only recording, or a list of them to open."""
    if len(verdicts) == 1:
        (only,) = verdicts
        return f'<div class="recording {only.verdict}">{article(only, address(only), headed=True)}</div>'
    labels = dict.fromkeys(verdict.verdict for verdict in verdicts)
    options = "".join(f'<option value="{name}">{LABELS[name]}</option>' for name in labels)
    rows = "\n".join(_folded(place, verdict, address(verdict)) for place, verdict in enumerate(verdicts))
    return f'{_CONTROLS.format(verdicts=options)}\n<div class="list">\n{rows}\n</div>'


def _folded(place: int, verdict: Verdict, address: str | None) -> str:
    p = "" if verdict.p_value is None else f"{verdict.p_value:.4g}"
    thumbnail = verdict.figures.thumbnail if verdict.figures else None
    picture = f'<img src="{thumbnail.picture}" alt="" loading="lazy">' if thumbnail else '<span class="blank"></span>'
    number = "–" if verdict.p_value is None else f"p = {verdict.p_value:.2g}"
    return f"""<details class="recording {verdict.verdict}" data-place="{place}" data-name="{text(verdict.path)}"
data-verdict="{verdict.verdict}" data-rank="{_RANKS.index(verdict.verdict)}" data-p="{p}">
<summary>{picture}<h2>{text(verdict.path)}</h2>{badge(verdict)}<span>{number}</span></summary>
<template>{article(verdict, address, headed=False)}</template>
</details>"""


def _questions(checks: Sequence[str]) -> str:
    return "\n".join(f"<li>{text(question(name))}</li>" for name in checks)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@cache
def _static(name: str) -> str:
    return (files("avsync.report") / "static" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
