"""The HTML page: one file that loads nothing, readable without knowing statistics."""

from collections.abc import Sequence
from html import escape

from avsync.checks.registry import CHECKS
from avsync.report.subjects import Subject, check_names, subjects
from avsync.report.timeline import timeline
from avsync.report.wording import LABELS, not_asked, p_cells, percent, question, sentence, span, subject_cells
from avsync.score.verdict import Verdict
from avsync.text import printable

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5b6472; --paper: #f6f7f9; --card: #fff; --line: #d5dae2;
  --seen: #9db4d3; --consistent: #18794e; --suspicious: #c62a2f; --cannot_judge: #946800; --measured: #0b68cb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --paper: #14171c; --card: #1c2128;
  --line: #343c48; --seen: #48607f; --consistent: #4cc38a; --suspicious: #ff6369; --cannot_judge: #e2b33b;
  --measured: #70b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
article, section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.2rem;
  margin-top: 1rem; }
article { border-left: .35rem solid var(--mark); }
.consistent { --mark: var(--consistent); } .suspicious { --mark: var(--suspicious); }
.cannot_judge { --mark: var(--cannot_judge); } .measured { --mark: var(--measured); }
.verdict { color: var(--mark); font-weight: 700; text-transform: uppercase; letter-spacing: .04em; font-size: .85rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; } .soft, dl, caption { color: var(--soft); font-size: .85rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin-top: .6rem; }
th, td { text-align: left; white-space: nowrap; padding: .25rem .8rem .25rem 0; border-top: 1px solid var(--line);
  vertical-align: top; }
caption { text-align: left; padding-bottom: .3rem; }
summary { cursor: pointer; color: var(--soft); font-size: .85rem; margin-top: .6rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .4rem 0 0; }
dd { margin: 0; overflow-wrap: anywhere; }
svg { display: block; width: 100%; margin-top: .8rem; font-size: 12px; } svg text { fill: var(--soft); }
.whole { fill: var(--line); opacity: .5; } .seen { fill: var(--seen); } .suspect { fill: var(--suspicious); }
.tick { stroke: var(--line); }
"""

_HELP = """<section>
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

_COLUMNS = ("Face", "Seen", "Speech", "Lag")


def to_html(verdicts: Sequence[Verdict]) -> str:
    """Return one self-contained page in English, light or dark as the reader's system is."""
    counts = {label: sum(LABELS[verdict.verdict] == label for verdict in verdicts) for label in LABELS.values()}
    summary = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
    articles = "\n".join(map(_article, verdicts))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>avsync report</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>avsync report</h1>
<p class="soft">{_count(len(verdicts), "file")}: {summary or "nothing was judged"}.</p>
{articles}
{_help(check_names(verdicts) or list(CHECKS))}
</body>
</html>
"""


def _article(verdict: Verdict) -> str:
    skipped = "\n".join(f"<p>{_text(line)}.</p>" for line in not_asked(verdict))
    warnings = "\n".join(f"<p><b>Warning:</b> {_text(warning)}.</p>" for warning in verdict.warnings)
    shown = subjects(verdict)
    return f"""<article class="{verdict.verdict}">
<h2>{_text(verdict.path)}</h2>
<p class="verdict">{LABELS[verdict.verdict]}</p>
<p>{_text(sentence(verdict))}.</p>
{skipped}
{warnings}
{timeline(verdict) if shown else ""}
{_table(shown, check_names([verdict])) if shown else ""}
{_details(verdict)}
</article>"""


def _table(shown: Sequence[Subject], checks: Sequence[str]) -> str:
    columns = (*_COLUMNS, *(f"p {_text(name)}" for name in checks), "p", "Readings", "Suspicious segments")
    several = len(shown) > 1
    star = "* the face that decides the verdict. " if several else ""
    rows = "\n".join(_row(subject, checks, marked=several) for subject in shown)
    return f"""<div class="table"><table>
<caption>{star}Lag: by how much the sound comes after the lips.
p: share of real recordings that score at least as high, for each check and for all together.
Readings: place among real recordings, 0 to 100; if the model is not calibrated, the values themselves.
In the bars, one for each face and one for the recording as a whole: blue, what was judged; red, a suspicious
segment.</caption>
<tr>{"".join(f"<th>{column}</th>" for column in columns)}</tr>
{rows}
</table></div>"""


def _row(subject: Subject, checks: Sequence[str], *, marked: bool) -> str:
    readings = "<br>".join(
        f"{_text(name)} {reading.value:.3g}"
        if reading.percentile is None
        else f"{_text(name)} {reading.percentile:.1f}"
        for check in subject.checks.values()
        for name, reading in check.readings.items()
    )
    segments = "<br>".join(f"{span(s.start, s.end)} (p = {s.p_value:.2g})" for s in subject.segments)
    cells = (*subject_cells(subject, marked=marked), *p_cells(subject, checks), readings, segments or "none")
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _details(verdict: Verdict) -> str:
    facts = {
        "File": _facts(verdict),
        "SHA-256": verdict.sha256,
        "Left out (no speech)": f"{verdict.trimmed_head:.2f} s at the start, {verdict.trimmed_tail:.2f} s at the end",
        "Resampled": "yes, to 25 frames/s and 16 kHz" if verdict.resampled else "no",
    }
    model = {
        "Level": f"{verdict.level:g} (about {percent(verdict.level)} of real recordings are called suspicious)",
        "Model": verdict.model,
        "Weights SHA-256": verdict.weights_sha256,
    }
    # Nothing is known of a file that could not be read.
    rows = {**facts, **model} if verdict.sha256 else model
    items = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows.items())
    return f"<details><summary>Technical details</summary><dl>{items}</dl></details>"


def _help(checks: Sequence[str]) -> str:
    return _HELP.format(questions="\n".join(f"<li>{_text(question(name))}</li>" for name in checks))


def _facts(verdict: Verdict) -> str:
    facts = [f"{verdict.duration:.2f} s"]
    if verdict.width:
        facts += [f"{verdict.width}×{verdict.height}", f"{verdict.fps:.6g} frames/s"]
    if verdict.audio_rate:
        facts.append(f"sound {verdict.audio_rate} Hz")
    return ", ".join(facts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _text(text: str) -> str:
    """Return text from outside, made harmless."""
    return escape(printable(text))
