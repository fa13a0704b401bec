"""The table of all files on terminals of any width: no name of a file is broken, and nothing else is too wide."""

from io import StringIO

import pytest
import verdicts
from rich.cells import cell_len

from avsync.report import print_table, print_verdict

LONG = "interview-with-the-minister_2026-11-29T07-40-27_copy-from-the-web.final-version.mp4"
WIDE = "演説の録音ファイル名がとても長い場合のテスト.wav"
MANY = [
    verdicts.suspicious(),
    verdicts.consistent(f"clips/{LONG}"),
    verdicts.of_sound(WIDE),
    verdicts.refused(),
]


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """What a table prints on a terminal with so many columns."""

    def shown(columns, what, show=print_table, **environment):
        monkeypatch.setenv("COLUMNS", str(columns))
        for name, value in {"TERM": "xterm-256color", "NO_COLOR": "1", **environment}.items():
            monkeypatch.setenv(name, value)
        text = Terminal()
        show(what, text)
        return text.getvalue()

    return shown


def plain(text):
    return text.replace("\x1b[1m", "").replace("\x1b[0m", "")


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
class TestEveryWidth:
    def test_every_name_is_whole(self, shown, columns):
        text = plain(shown(columns, MANY))
        assert all(name in text for name in ("dubbed.mp4", LONG, WIDE, "landscape.mp4"))

    def test_no_other_line_is_wider_than_the_terminal(self, shown, columns):
        lines = plain(shown(columns, MANY)).splitlines()
        assert all(cell_len(line) <= columns for line in lines if line not in (LONG, WIDE))

    def test_every_p_value_is_there(self, shown, columns):
        words = plain(shown(columns, MANY)).split()
        assert words.count("0.031") == 6  # the lips of three faces, the voice of the sound, and two files
        assert {"0.42", "0.6", "0.4"} <= set(words)  # of the face that decides, that of the file

    def test_no_segment_is_broken(self, shown, columns):
        text = plain(shown(columns, MANY))
        assert "2.7–5.3 s" in text
        assert "0.0–2.0 s" in text

    def test_readings_take_the_place_of_p_values_without_a_calibration(self, shown, columns):
        text = plain(shown(columns, [verdicts.measured(LONG)]))
        assert LONG in text
        assert "speechforensics 0.312" in text


def test_where_the_table_fits_it_is_a_table(shown):
    for columns in (120, 200):
        header = plain(shown(columns, [verdicts.suspicious()])).splitlines()[1]
        assert " ".join(header.split()) == "file verdict face seen speech lag p lips p face p voice p segments"


def test_a_narrow_terminal_has_a_block_for_each_file(shown):
    assert plain(shown(60, [verdicts.suspicious()])).splitlines()[1:] == [
        "dubbed.mp4",
        "  suspicious",
        "  face 0  seen 0.2–7.9 s  speech 7.7 s  lag +160 ms",
        "  p lips 0.031  p face 0.42  p voice 0.6  p 0.031",
        "  segments 2.7–5.3 s",
    ]


def test_a_block_marks_the_face_that_decides(shown):
    lines = plain(shown(60, [verdicts.consistent()])).splitlines()
    assert [line.split("  ")[1] for line in lines if "seen" in line] == ["face 0", "* face 1"]
    assert lines[-1] == "* the face that decides the verdict"


def test_in_a_pipe_the_table_is_as_wide_as_it_needs(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = StringIO()
    print_table(MANY, text)
    (line,) = (line for line in text.getvalue().splitlines() if LONG in line)
    assert "consistent" in line


@pytest.mark.parametrize(("show", "what"), [(print_table, MANY), (print_verdict, MANY[0])])
class TestColour:
    COLOUR = "\x1b[32m", "\x1b[1;31m", "\x1b[33m"

    def test_a_terminal_shows_colour(self, shown, show, what):
        assert any(code in shown(200, what, show, NO_COLOR="") for code in self.COLOUR)

    def test_no_color_takes_it_away(self, shown, show, what):
        assert not any(code in shown(200, what, show) for code in self.COLOUR)

    def test_a_pipe_has_none(self, show, what):
        text = StringIO()
        show(what, text)
        assert "\x1b" not in text.getvalue()
