"""Reports: what they say, and that no file name can break out of them."""

import csv
import json
from dataclasses import fields, replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsync.errors import Reason, UsageError
from avsync.report import (
    print_table,
    print_verdict,
    printable,
    sentence,
    to_csv,
    to_html,
    to_json,
    verdict_line,
    write_report,
)
from avsync.report.json import DOCS
from avsync.report.wording import lag, percent, span
from avsync.score.verdict import Reading, Segment, TrackVerdict, Verdict

TRACK = TrackVerdict(
    track=0,
    start=0.2,
    end=7.9,
    box=(100, 80, 220, 200),
    speech_seconds=6.5,
    lag_ms=40.0,
    readings={"global": Reading(0.31, 1.2, 0.024), "local": Reading(-0.1, 0.7, 0.013)},
    aspects={"speech": 0.0065, "picture": 0.4},
    oddness=4.2,
    p_value=0.013,
    segments=[Segment(3.2, 4.4, 0.004)],
)
SUSPICIOUS = Verdict(
    path="clip.mp4",
    verdict="suspicious",
    p_value=0.013,
    oddness=4.2,
    rests_on=0,
    sha256="ab" * 32,
    duration=8.0,
    width=640,
    height=360,
    fps=29.97,
    audio_rate=48000,
    resampled=True,
    tracks=[TRACK],
    model="toy",
    weights_sha256="cd" * 32,
)
CONSISTENT = replace(
    SUSPICIOUS,
    verdict="consistent",
    p_value=0.42,
    rests_on=1,
    tracks=[
        replace(TRACK, p_value=0.6, segments=[]),
        replace(TRACK, track=1, p_value=0.42, lag_ms=-40.0, segments=[]),
    ],
)
REFUSED = Verdict("clip.mp4", "cannot_judge", Reason.NO_FACE, "no face in any picture")
MEASURED = Verdict(
    "clip.mp4",
    "measured",
    oddness=-0.312,
    rests_on=0,
    sha256="ab" * 32,
    tracks=[TrackVerdict(0, 0.2, 7.9, (1, 2, 3, 4), 6.5, 40.0, {"speechforensics": Reading(0.312)}, oddness=-0.312)],
)
ALL = [SUSPICIOUS, CONSISTENT, MEASURED, REFUSED]

names = st.text(st.characters(codec=None), min_size=1, max_size=30)


class Page(HTMLParser):
    """The tags of a page in their order, its words, and whether all that is open is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self._open = [], [], "", []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words += data


def printed(show, what):
    text = StringIO()
    show(what, text)
    return text.getvalue()


def rows(verdicts):
    return list(csv.DictReader(StringIO(to_csv(verdicts), newline="")))


class TestWords:
    def test_suspicious(self):
        assert verdict_line(SUSPICIOUS) == (
            "clip.mp4: suspicious — face 0 (0.2–7.9 s) moves its lips unlike the speech that is heard: "
            "only 1.3 % of real clips are at least as odd (p = 0.013); sound comes 40 ms after the lips; "
            "odd by themselves: 3.2–4.4 s"
        )

    def test_consistent_names_the_face_it_rests_on(self):
        assert verdict_line(CONSISTENT) == (
            "clip.mp4: consistent — face 1 (0.2–7.9 s) speaks and looks as people in real clips do: "
            "42 % of real clips are at least as odd (p = 0.42); sound comes 40 ms before the lips"
        )

    def test_the_share_is_the_verdicts_which_counts_the_speakers(self):
        assert "3.9 % of real clips are at least as odd (p = 0.039)" in sentence(replace(SUSPICIOUS, p_value=0.039))

    def test_measured_says_the_reading_and_no_share(self):
        assert verdict_line(MEASURED) == (
            "clip.mp4: measured — face 0 (0.2–7.9 s) has speechforensics 0.312; sound comes 40 ms after the lips"
        )

    def test_cannot_judge(self):
        assert verdict_line(REFUSED) == "clip.mp4: cannot judge — no_face: no face in any picture"

    def test_many_passages_are_counted(self):
        track = replace(TRACK, segments=[Segment(t, t + 1.0, 0.01) for t in range(5)])
        assert sentence(replace(SUSPICIOUS, tracks=[track])).endswith("0.0–1.0 s, 1.0–2.0 s, 2.0–3.0 s and 2 more")

    def test_no_lag(self):
        assert lag(replace(TRACK, lag_ms=-0.2)) == "sound comes with the lips"

    @pytest.mark.parametrize(
        ("share", "words"), [(1.0, "100 %"), (0.996, "100 %"), (0.1, "10 %"), (0.0131, "1.3 %"), (0.0004, "0.04 %")]
    )
    def test_small_shares_never_become_zero(self, share, words):
        assert percent(share) == words

    def test_long_clips_are_timed_in_minutes(self):
        assert span(59.96, 125.04) == "1:00.0–2:05.0"


class TestSafety:
    """File names are chosen by strangers."""

    @given(name=names, detail=names)
    def test_a_line_is_one_printable_line(self, name, detail):
        line = verdict_line(replace(REFUSED, path=name, detail=detail))
        assert line.isprintable()
        assert line.encode()

    @pytest.mark.parametrize("name", ["\x1b[2J.mp4", "a\nb.mp4", "a\rb.mp4", "\u202e4pm.exe", "\udcff.mp4", "\x9b1m"])
    def test_what_steers_a_terminal_is_escaped(self, name):
        verdict = replace(SUSPICIOUS, path=name, warnings=[name])
        for show, what in ((print_verdict, verdict), (print_table, [verdict])):
            text = printed(show, what)
            assert name not in text
            assert text.replace("\n", "").isprintable()

    def test_names_in_any_script_stay_as_they_are(self):
        assert printable("выступление – 演説 🎤.mp4") == "выступление – 演説 🎤.mp4"

    @pytest.mark.parametrize("name", ["[red]a[/red].mp4", "[/].mp4", ":smile:.mp4", "[link=x]a.mp4"])
    def test_markup_is_shown_not_obeyed(self, name):
        verdict = replace(SUSPICIOUS, path=name, warnings=[name])
        assert printed(print_verdict, verdict).count(name) == 2
        assert Path(name).name in printed(print_table, [verdict])

    @given(name=names, detail=names)
    def test_no_name_changes_the_page(self, name, detail):
        page = Page(to_html([replace(REFUSED, path=name, detail=detail), replace(SUSPICIOUS, warnings=[detail])]))
        assert page.tags == Page(to_html([REFUSED, replace(SUSPICIOUS, warnings=["x"])])).tags
        assert printable(name) in page.words

    @given(name=names, detail=names)
    def test_no_name_changes_the_json(self, name, detail):
        text = to_json([replace(REFUSED, path=name, detail=detail)])
        assert text.isascii()
        assert json.loads(text)["verdicts"][0]["path"] == name

    @pytest.mark.parametrize("first", "=+-@\t\r")
    def test_no_text_is_a_formula(self, first):
        (row,) = rows([replace(REFUSED, path=f"{first}1", detail=f"{first}2", warnings=[f"{first}3"])])
        assert (row["path"], row["detail"], row["warnings"]) == (f"'{first}1", f"'{first}2", f"'{first}3")


class TestTerminal:
    def test_each_face_has_a_row(self):
        lines = printed(print_table, [SUSPICIOUS, CONSISTENT, REFUSED]).splitlines()
        faces = [line.split() for line in lines if "ms" in line]
        assert [line[:3] for line in faces] == [
            ["clip.mp4", "suspicious", "0"],
            ["clip.mp4", "consistent", "0"],
            ["*", "1", "0.2–7.9"],
        ]
        assert any("cannot judge" in line for line in lines)
        assert lines[-1].strip() == "* the face the verdict rests on"

    def test_without_shares_the_readings_are_shown(self):
        text = printed(print_table, [MEASURED, REFUSED])
        assert "speechforensics 0.312" in text
        assert "p lips" not in text

    def test_warnings_follow_the_line(self):
        text = printed(print_verdict, replace(SUSPICIOUS, warnings=["the file is cut off"]))
        assert text.splitlines()[1] == "  warning: the file is cut off"

    def test_a_line_is_not_broken_in_a_pipe(self):
        assert printed(print_verdict, SUSPICIOUS) == verdict_line(SUSPICIOUS) + "\n"


class TestJson:
    def test_holds_every_verdict_as_it_is(self):
        document = json.loads(to_json(ALL))
        assert document["schema"] == "avsync.report/1"
        assert document["verdicts"] == json.loads(json.dumps([verdict.to_dict() for verdict in ALL]))

    @pytest.mark.parametrize("kind", [Verdict, TrackVerdict, Reading, Segment])
    def test_every_field_is_documented(self, kind):
        documented = {word.strip(",[]") for line in DOCS.splitlines() for word in line[:24].split()}
        assert {field.name for field in fields(kind)} <= documented


class TestCsv:
    def test_one_row_for_each_face_of_each_file(self):
        assert [(row["verdict"], row["track"]) for row in rows(ALL)] == [
            ("suspicious", "0"),
            ("consistent", "0"),
            ("consistent", "1"),
            ("measured", "0"),
            ("cannot_judge", ""),
        ]

    def test_cells(self):
        row = rows([CONSISTENT, SUSPICIOUS])[1]
        expected = {
            "schema": "avsync.verdict/1",
            "path": "clip.mp4",
            "reason": "",
            "p_value": "0.42",
            "fps": "29.97",
            "resampled": "true",
            "box_right": "220",
            "lag_ms": "-40.0",
            "track_p_value": "0.42",
            "track_oddness": "4.2",
            "reading_local_value": "-0.1",
            "reading_global_percentile": "1.2",
        }
        assert {name: row[name] for name in expected} == expected

    @given(name=names)
    def test_any_name_stays_one_cell(self, name):
        (row,) = rows([replace(REFUSED, path=name)])
        assert row["path"].removeprefix("'") == name.removeprefix("'")

    def test_passages_and_warnings_are_joined(self):
        track = replace(TRACK, segments=[Segment(0.2, 1.0, 0.01), Segment(3.0, 4.44, 0.02)])
        (row,) = rows([replace(SUSPICIOUS, tracks=[track], warnings=["cut off", "dark"])])
        assert (row["segments"], row["warnings"]) == ("0.20-1.00; 3.00-4.44", "cut off; dark")

    def test_columns_do_not_depend_on_whether_a_face_was_found(self):
        with_face, without = (to_csv([v]).splitlines()[0].split(",") for v in (SUSPICIOUS, REFUSED))
        assert [name for name in with_face if not name.startswith(("aspect_", "reading_"))] == without


class TestHtml:
    def test_loads_nothing_and_runs_nothing(self):
        page = Page(to_html(ALL))
        assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
        assert not {"src", "href", "style", "onclick"} & set(page.attributes)
        assert "url(" not in to_html(ALL)
        assert "@import" not in to_html(ALL)

    def test_says_the_verdicts_and_the_limits(self):
        words = " ".join(Page(to_html(ALL)).words.split())
        assert "report on 4 files: 1 consistent, 1 suspicious, 1 measured, 1 cannot judge." in words
        assert sentence(SUSPICIOUS) in words
        assert "not the probability that the clip is fake" in " ".join(words.split())
        assert "Limits" in words

    def test_the_timeline_shows_where_it_is_odd(self):
        text = to_html([SUSPICIOUS])
        assert '<rect class="seen" x="2.500%" y="0" width="96.250%"' in text
        assert '<rect class="odd" x="40.000%" y="0" width="15.000%"' in text

    def test_each_face_has_a_lane(self):
        assert to_html([CONSISTENT]).count('class="seen"') == 2

    @pytest.mark.parametrize("duration", [0.0, 0.3, 90.0, 1e9])
    def test_any_length_has_a_readable_axis(self, duration):
        page = Page(to_html([replace(SUSPICIOUS, duration=duration)]))
        assert 2 <= page.tags.count("line") <= 11

    def test_of_a_file_that_was_not_read_no_facts_are_made_up(self):
        assert "frames/s" in to_html([SUSPICIOUS])
        assert "frames/s" not in to_html([REFUSED])

    def test_without_faces_there_is_no_timeline(self):
        assert "svg" not in Page(to_html([REFUSED])).tags


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text"), [("x.json", to_json(ALL)), ("x.csv", to_csv(ALL)), ("X.HTML", to_html(ALL))]
    )
    def test_the_suffix_says_what_is_written(self, tmp_path, name, text):
        write_report(ALL, tmp_path / name)
        assert (tmp_path / name).read_bytes() == text.encode()
        assert [path.name for path in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("name", ["x.pdf", "x", ".json"])
    def test_another_suffix_is_refused_naming_the_known(self, tmp_path, name):
        with pytest.raises(UsageError, match=r"\.json, \.csv, \.html"):
            write_report(ALL, tmp_path / name)

    def test_a_place_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="a folder that exists"):
            write_report(ALL, tmp_path / "missing" / "x.json")
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(UsageError, match="a folder that exists"):
            write_report(ALL, tmp_path / "folder.csv")

    def test_a_name_of_bytes_that_are_no_text(self, tmp_path):
        write_report([replace(REFUSED, path="\udcff.mp4")], tmp_path / "x.csv")
        assert "\\udcff.mp4" in (tmp_path / "x.csv").read_text(encoding="utf-8")
