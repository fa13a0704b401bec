"""The HTML page: one file, nothing loaded from anywhere, readable without knowing statistics."""

from collections.abc import Sequence
from html import escape

from avsync.report.timeline import timeline
from avsync.report.wording import LABELS, p_cells, percent, printable, sentence, span
from avsync.score.verdict import TrackVerdict, Verdict

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
.whole { fill: var(--line); opacity: .5; } .seen { fill: var(--seen); } .odd { fill: var(--suspicious); }
.tick { stroke: var(--line); }
"""

_HELP = """<section>
<h2>How to read this page</h2>
<p>avsync asks two questions: do the lips fit the speech, and does the face move and look as faces do in real video?
It has learned real video only, and has never seen a fake.</p>
<ul>
<li><b>Consistent</b>: nothing odd in how lips and speech go together, or in how the face moves. This does not prove
that a clip is authentic.</li>
<li><b>Suspicious</b>: few real clips look as odd. This does not prove that a clip is fake: look at the marked
passages, and ask for the original.</li>
<li><b>Measured</b>: the model has not been calibrated on real clips, so that its readings have nothing to stand
beside.</li>
<li><b>Cannot judge</b>: lips or speech are missing, too short, too small or unreadable.</li>
</ul>
<p>The <b>p-value</b> is the share of real clips that look at least as odd. It is not the probability that the clip is
fake. At a level of 0.05, about 1 in 20 real clips is called suspicious.</p>
<h2>Limits</h2>
<ul>
<li>Dubbing, voice-over, translation, singing, a covered or turned mouth, another person speaking and a damaged file
look odd without any intent to deceive.</li>
<li>A fake whose lips follow its speech well may pass: a face swap that keeps the mouth, a good lip-sync, a picture
and voice made together.</li>
<li>Cuts, false captions and missing context are not seen at all.</li>
<li>A constant lag between sound and lips is common in real files: it is shown, not held against the clip.</li>
</ul>
<p>Use a verdict as one hint among others, never as the only evidence against a person.</p>
</section>"""


def to_html(verdicts: Sequence[Verdict]) -> str:
    """One self-contained page in English, light or dark as the reader's system is."""
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
<h1>Do the lips and the speech go together?</h1>
<p class="soft">avsync report on {_count(len(verdicts), "file")}: {summary or "nothing was judged"}.</p>
{articles}
{_HELP}
</body>
</html>
"""


def _article(verdict: Verdict) -> str:
    warnings = "\n".join(f"<p><b>Warning:</b> {_text(warning)}.</p>" for warning in verdict.warnings)
    return f"""<article class="{verdict.verdict}">
<h2>{_text(verdict.path)}</h2>
<p class="verdict">{LABELS[verdict.verdict]}</p>
<p>{_text(sentence(verdict))}.</p>
{warnings}
{timeline(verdict) if verdict.tracks else ""}
{_tracks(verdict) if verdict.tracks else ""}
{_details(verdict)}
</article>"""


def _tracks(verdict: Verdict) -> str:
    head = "".join(
        f"<th>{name}</th>"
        for name in ("Face", "Seen", "Speech", "Lag", "p lips", "p face", "p", "Readings", "Odd passages")
    )
    several = len(verdict.tracks) > 1
    star = "* the face the verdict rests on. " if several else ""
    rows = "\n".join(_row(track, marked=several and track.track == verdict.rests_on) for track in verdict.tracks)
    return f"""<div class="table"><table>
<caption>{star}Lag: by how much the sound comes after the lips.
p lips: share of real clips whose lips fit their speech as badly; p face: share whose face is as odd.
Readings: place among real clips, 0 to 100; where the model is not calibrated, the values themselves.
In the bar: blue, the face is seen; red, it is odd by itself.</caption>
<tr>{head}</tr>
{rows}
</table></div>"""


def _row(track: TrackVerdict, *, marked: bool) -> str:
    readings = "<br>".join(
        f"{_text(name)} {reading.value:.3g}"
        if reading.percentile is None
        else f"{_text(name)} {reading.percentile:.1f}"
        for name, reading in track.readings.items()
    )
    passages = "<br>".join(f"{span(s.start, s.end)} (p = {s.p_value:.2g})" for s in track.segments)
    cells = (
        f"{track.track}{' *' if marked else ''}",
        span(track.start, track.end),
        f"{track.speech_seconds:.1f} s",
        f"{round(track.lag_ms):+d} ms",
        *p_cells(track),
        readings,
        passages or "none",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _details(verdict: Verdict) -> str:
    facts = {
        "File": f"{verdict.duration:.2f} s, {verdict.width}×{verdict.height}, {verdict.fps:.6g} frames/s, "
        f"sound {verdict.audio_rate} Hz",
        "SHA-256": verdict.sha256,
        "Left out (no speech)": f"{verdict.trimmed_head:.2f} s at the start, {verdict.trimmed_tail:.2f} s at the end",
        "Resampled": "yes, to 25 frames/s and 16 kHz" if verdict.resampled else "no",
    }
    judge = {
        "Level": f"{verdict.level:g} (about {percent(verdict.level)} of real clips are called suspicious)",
        "Model": verdict.model,
        "Weights SHA-256": verdict.weights_sha256,
    }
    # Of a file that could not be read nothing is known.
    rows = {**facts, **judge} if verdict.sha256 else judge
    items = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows.items())
    return f"<details><summary>Technical details</summary><dl>{items}</dl></details>"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _text(text: str) -> str:
    """Text of a stranger, made harmless."""
    return escape(printable(text))
