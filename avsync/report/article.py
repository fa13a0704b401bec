"""The part of the page about one recording."""

import json
from collections.abc import Iterator, Sequence
from html import escape

from avsync.report.advice import next_steps
from avsync.report.charts import histogram, lag_curve
from avsync.report.lanes import length_of, strips, timeline
from avsync.report.subjects import Subject, check_names, subjects
from avsync.report.wording import LABELS, finding, p_cells, percent, question, sentence, span, subject_cells, unanswered
from avsync.score.figures import FaceFigures, Figures
from avsync.score.verdict import CheckResult, Verdict
from avsync.text import printable

# A sign beside each verdict, so that it does not hang on colour.
SIGNS = {"consistent": "✓", "suspicious": "!", "measured": "#", "cannot_judge": "?"}
_COLUMNS = ("Face", "Seen", "Speech", "Lag")


def article(verdict: Verdict, address: str | None, *, headed: bool) -> str:
    """Return the article of a verdict.

    Args:
        verdict: with `figures`, if there shall be pictures.
        address: where the page finds the recording; None if nowhere.
        headed: whether it begins with the name and the verdict.
    """
    figures = verdict.figures or Figures()
    shown = subjects(verdict)
    parts = [
        f"<h2>{text(verdict.path)}</h2>\n{badge(verdict)}" if headed else "",
        f'<p class="sentence">{text(sentence(verdict))}.</p>',
        *(f"<p>{text(line)}.</p>" for line in unanswered(verdict)),
        *(f"<p><b>Warning:</b> {text(warning)}.</p>" for warning in verdict.warnings),
        _look(verdict, figures, address),
        _timeline(verdict, figures) if shown else "",
        _more(verdict, figures, shown),
        _table(verdict, shown, check_names([verdict])) if shown else "",
        _technical(verdict),
        _data(verdict, figures) if shown else "",
    ]
    return "\n".join(["<article>", *filter(None, parts), "</article>"])


def badge(verdict: Verdict) -> str:
    """Return the verdict in a word, with its sign."""
    return f'<p class="badge" data-sign="{SIGNS[verdict.verdict]}">{LABELS[verdict.verdict]}</p>'


def text(words: str) -> str:
    """Return text from outside, made harmless."""
    return escape(printable(words))


def _look(verdict: Verdict, figures: Figures, address: str | None) -> str:
    columns = [_player(verdict, figures, figures.media or address), _answers(verdict, figures)]
    return f'<div class="look">{"".join(columns)}</div>' if any(columns) else ""


def _player(verdict: Verdict, figures: Figures, address: str | None) -> str:
    """The recording to play, with a picture of it in its place where it cannot be played."""
    if not verdict.sha256 or not (address or figures.thumbnail):
        return ""
    screen = f'<div class="screen">{_screen(verdict, figures, address)}</div>' if verdict.width else ""
    sound = "" if verdict.width or not address else _media("audio", address)
    lost = (
        '<p class="soft unplayable" hidden>The browser cannot play this file from here. The marks still follow the '
        "timeline. On the command line, --embed puts a small copy into the report.</p>"
    )
    mouths = "".join(_mouth(face) for face in figures.faces)
    return f"""<figure class="player">{screen}{sound}{lost if address else ""}
{f'<div class="mouths">{mouths}</div>' if mouths else ""}</figure>"""


def _screen(verdict: Verdict, figures: Figures, address: str | None) -> str:
    picture = ""
    if figures.thumbnail is not None:
        hidden = " hidden" if address else ""
        at = span(figures.thumbnail.time, figures.thumbnail.time).split("–")[-1]
        picture = f'<img src="{figures.thumbnail.picture}" alt="The picture at {at}"{hidden}>'
    width, height = _upright(verdict, figures)
    boxes = f'<svg class="boxes" viewBox="0 0 {width} {height}" aria-hidden="true"></svg>'
    poster = figures.thumbnail.picture if figures.thumbnail and not subjects(verdict) else None
    return (_media("video", address, poster) if address else "") + picture + boxes


def _media(kind: str, address: str, poster: str | None = None) -> str:
    """The player; `poster` is shown until it is played, where no script fetches the first picture."""
    shown = f' poster="{poster}"' if poster else ""
    return f'<{kind} controls preload="none" src="{escape(address)}"{shown} aria-label="The recording"></{kind}>'


def _upright(verdict: Verdict, figures: Figures) -> tuple[int, int]:
    """Width and height of the picture as it is shown."""
    return (figures.width, figures.height) if figures.width else (verdict.width, verdict.height)


def _mouth(face: FaceFigures) -> str:
    return (
        f'<figure><canvas width="96" height="96" data-track="{face.track}" role="img" '
        f'aria-label="Mouth of face {face.track} at the position of the player"></canvas>'
        f'<img class="sheet" data-track="{face.track}" src="{face.mouths}" alt="" hidden>'
        f"<figcaption>mouth, face {face.track}</figcaption></figure>"
    )


def _answers(verdict: Verdict, figures: Figures) -> str:
    answers = "".join(_answer(name, check, verdict, figures) for name, check in verdict.checks.items())
    return f'<div class="answers">{answers}</div>' if verdict.sha256 and answers else ""


def _answer(name: str, check: CheckResult, verdict: Verdict, figures: Figures) -> str:
    """What one check asks and says, and its place among real recordings."""
    lines = [f"<h3>{text(question(name))}</h3>"]
    if check.anomaly_score is None:
        lines.append(f'<p class="soft">Not asked: {text(check.detail or str(check.reason))}.</p>')
    elif check.p_value is None:
        lines.append('<p class="soft">Measured; nothing to compare it with.</p>')
    else:
        share = f"{percent(check.p_value)} of real recordings score as high (p = {check.p_value:.2g})"
        odd = check.p_value <= verdict.level
        found = finding(name, check.peak)
        lines.append(f'<p class="odd">{text(found[0].upper() + found[1:])}.</p>' if odd else "<p>Nothing unusual.</p>")
        lines.append(f'<p class="soft">{share}.</p>')
    if check.anomaly_score is not None and name in figures.real_scores:
        lines.append(histogram(figures.real_scores[name], check.anomaly_score, verdict.level))
    inside = "\n".join(lines)
    return f'<section class="answer">{inside}</section>'


def _timeline(verdict: Verdict, figures: Figures) -> str:
    length = length_of(verdict)
    lattice = any(face.lattice for face in figures.faces)
    words = [
        "Bars rise with the score of a window; the dashed line is the level."
        if any(check.p_value is not None for check in verdict.checks.values())
        else "",
        "Offset: how well the lips fit the speech when it is moved by so much; lips and speech that go together show "
        "one bright level line."
        if lattice
        else "",
    ]
    legend = (
        '<span class="swatch usual"></span>ordinary<span class="swatch unusual"></span>one in five real windows'
        '<span class="swatch suspect"></span>at or below the level'
    )
    return f"""<section class="timeline">
<h3>Timeline</h3>
<div class="seek"><span class="now">0.0 s</span><input type="range" min="0" max="{length:.2f}" step="0.04" value="0"
aria-label="Position in the recording"></div>
<div class="lanes">
{timeline(verdict)}
<div class="overlay" aria-hidden="true"><div class="playhead"></div></div>
</div>
<p class="readout" aria-hidden="true"></p>
<p class="soft legend">{legend}. {" ".join(filter(None, words))}</p>
</section>"""


def _more(verdict: Verdict, figures: Figures, shown: Sequence[Subject]) -> str:
    steps = "".join(f"<li>{text(step)}</li>" for step in next_steps(verdict))
    parts = [
        f"<section><h3>What to do next</h3><ol>{steps}</ol></section>" if steps else "",
        _standout(verdict),
        _segments(shown),
        *(_face(face, verdict) for face in figures.faces),
    ]
    return f'<div class="more">{"".join(parts)}</div>' if any(parts) else ""


def _standout(verdict: Verdict) -> str:
    """The stretch that stands out most: a button that plays it."""
    if (found := verdict.standout) is None:
        return ""
    where = f"{text(question(found.check))} {span(found.start, found.end)} (p = {found.p_value:.2g})"
    button = f'<button type="button" data-time="{found.start:.2f}">{where}</button>'
    return f"<section><h3>What stands out most</h3><p>{button}</p></section>"


def _segments(shown: Sequence[Subject]) -> str:
    found = [(subject, segment) for subject in shown for segment in subject.segments]
    if not found:
        return ""
    whose = list(dict.fromkeys(subject.name for subject, _ in found))
    options = "".join(f'<option value="{text(name)}">{text(name)}</option>' for name in whose)
    choice = (
        f'<label class="soft">of <select class="whose"><option value="">all</option>{options}</select></label>'
        if len(whose) > 1
        else ""
    )
    items = "".join(
        f'<li data-whose="{text(subject.name)}"><button type="button" data-time="{segment.start:.2f}">'
        f"{text(subject.name)}: {span(segment.start, segment.end)} (p = {segment.p_value:.2g})</button></li>"
        for subject, segment in sorted(found, key=lambda pair: pair[1].start)
    )
    return f'<section><h3>Suspicious segments</h3>{choice}<ul class="segments">{items}</ul></section>'


def _face(face: FaceFigures, verdict: Verdict) -> str:
    stills = "".join(
        f'<figure><img src="{still.picture}" alt="Face {face.track} at {still.time:.1f} s" loading="lazy">'
        f"<figcaption>{still.time:.1f} s</figcaption></figure>"
        for still in face.stills
    )
    track = next((track for track in verdict.tracks if track.track == face.track), None)
    curve = ""
    if face.lag_curve and face.lattice is not None and track is not None and track.lag_ms is not None:
        drawn = lag_curve(face.lag_curve, face.lattice.high, track.lag_ms)
        curve = f"<h3>How well the lips fit the speech, by offset</h3>{drawn}"
    return (
        f'<section><h3>Face {face.track}, as the checks see it</h3><div class="stills">{stills}</div>{curve}</section>'
    )


def _table(verdict: Verdict, shown: Sequence[Subject], checks: Sequence[str]) -> str:
    columns = (*_COLUMNS, *(f"p {text(name)}" for name in checks), "p", "Readings", "Suspicious segments")
    several = len(shown) > 1
    star = "* the face that decides the verdict. " if several else ""
    rows = "\n".join(_row(verdict, subject, checks, marked=several) for subject in shown)
    return f"""<details class="technical"><summary>All numbers</summary><div class="table"><table>
<caption>{star}Lag: by how much the sound comes after the lips.
p: share of real recordings that score at least as high, for each check and for all together.
Readings: place among real recordings, 0 to 100; if the model is not calibrated, the values themselves.</caption>
<thead><tr>{"".join(f'<th scope="col">{column}</th>' for column in columns)}</tr></thead>
<tbody>{rows}</tbody>
</table></div></details>"""


def _row(verdict: Verdict, subject: Subject, checks: Sequence[str], *, marked: bool) -> str:
    readings = "<br>".join(
        f"{text(name)} {reading.value:.3g}" if reading.percentile is None else f"{text(name)} {reading.percentile:.1f}"
        for check in subject.checks.values()
        for name, reading in check.readings.items()
    )
    segments = "<br>".join(f"{span(s.start, s.end)} (p = {s.p_value:.2g})" for s in subject.segments)
    cells = (*subject_cells(subject, marked=marked), *p_cells(verdict, subject, checks), readings, segments or "none")
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _technical(verdict: Verdict) -> str:
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
    items = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in rows.items())
    return f'<details class="technical"><summary>Technical details</summary><dl>{items}</dl></details>'


def _facts(verdict: Verdict) -> str:
    facts = [f"{verdict.duration:.2f} s"]
    if verdict.width:
        facts += [f"{verdict.width}×{verdict.height}", f"{verdict.fps:.6g} frames/s"]
    if verdict.audio_rate:
        facts.append(f"sound {verdict.audio_rate} Hz")
    return ", ".join(facts)


def _data(verdict: Verdict, figures: Figures) -> str:
    """What the script needs, as JSON that cannot end its element."""
    width, height = _upright(verdict, figures)
    document = {
        "length": round(length_of(verdict), 2),
        "width": width,
        "height": height,
        "faces": list(_tracks(figures.faces)),
        "lanes": [
            {"name": lane.name, "windows": [[w.start, w.end, w.anomaly_score, w.p_value] for w in lane.windows]}
            for lane in strips(verdict)
        ],
    }
    written = json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" class="data">{written}</script>'


def _tracks(faces: Sequence[FaceFigures]) -> Iterator[dict[str, object]]:
    for face in faces:
        yield {
            "track": face.track,
            "times": face.times,
            "boxes": face.boxes,
            "mouth_boxes": face.mouth_boxes,
            "columns": face.mouth_columns,
        }
