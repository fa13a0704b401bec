"""What a verdict is in Python: a fragment for Jupyter, a figure, and a row of a table of pandas."""

import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas
import pytest
import verdicts
from markup import Page
from matplotlib.figure import Figure
from PIL import Image

import avsync
from avsync.errors import Reason
from avsync.report import to_csv
from avsync.score.verdict import CheckResult

ALL = [verdicts.suspicious(), verdicts.consistent(), verdicts.of_sound(), verdicts.measured(), verdicts.refused()]
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "\x1b[2J", "a\nb", "\u202egpj"]


class TestHtml:
    @pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.verdict)
    def test_it_is_one_element_that_changes_nothing_around_it(self, verdict):
        fragment = Page(verdict._repr_html_())
        assert fragment.tags[0] == "div"
        assert set(fragment.tags) <= {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td"}
        assert {name for name, _ in fragment.attributes} <= {"style", "role", "aria-label", "title"}

    def test_it_loads_nothing(self):
        assert not re.search(r"https?:|url\(|src=|href=|@import", verdicts.suspicious()._repr_html_())

    def test_it_says_the_verdict_and_the_reason_for_it(self):
        words = " ".join(Page(verdicts.suspicious("clips/dubbed.mp4")._repr_html_()).words.split())
        assert words.startswith("dubbed.mp4 ! suspicious face 0 (0.2–7.9 s): lip movements do not match the speech;")
        assert "Warning: sound is missing for 0.3 s." in words
        assert "2.7–5.3 s" in words

    def test_each_face_has_a_row_and_a_lane(self):
        fragment = Page(verdicts.consistent()._repr_html_())
        assert fragment.tags.count("tr") == 3
        assert [value for name, value in fragment.attributes if name == "title"] == [
            "face 0, 0.2–3.9 s",
            "face 1, 4.1–7.9 s",
        ]

    def test_a_lane_says_in_words_what_is_suspicious(self):
        labels = [value for name, value in Page(verdicts.suspicious()._repr_html_()).attributes if name == "title"]
        assert labels == ["face 0, 0.2–7.9 s; suspicious: 2.7–5.3 s"]

    def test_a_check_without_an_answer_says_why(self):
        assert "lips, face: no answer, no_video: the file has no moving picture." in verdicts.of_sound()._repr_html_()

    def test_a_refused_file_has_no_table(self):
        assert "table" not in Page(verdicts.refused()._repr_html_()).tags

    def test_colours_suit_light_and_dark(self):
        """Text has the colour of the notebook, and nothing behind it is opaque."""
        styles = [value for name, value in Page(verdicts.suspicious()._repr_html_()).attributes if name == "style"]
        colours = [found for style in styles for found in re.findall(r"(?<![\w-])(?:background|color):([^;]+)", style)]
        assert colours
        assert all(colour == "transparent" or colour.startswith("rgba(") for colour in colours)
        assert not any(re.search(r"(?<![\w-])color:", style) for style in styles)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_text_of_strangers_is_shown_not_obeyed(self, text):
        def fragment(text):
            odd = replace(verdicts.of_sound().checks["voice"], reason=None)
            unasked = CheckResult(reason=Reason.NO_FACE, detail=text)
            checks = {text: odd, "lips": unasked}
            return Page(replace(verdicts.of_sound(text), checks=checks, warnings=[text])._repr_html_())

        assert fragment(text).tags == fragment("x").tags
        assert [name for name, _ in fragment(text).attributes] == [name for name, _ in fragment("x").attributes]
        assert fragment(text).words.replace(" ", "").isprintable()


def kept(verdict, frames=60):
    """The verdict with arrays as a detector keeps them: two windows with a gap, and the map of a voice."""
    rng = np.random.default_rng(0)
    times = np.concatenate([1 + np.arange(frames // 2) / 25, 4 + np.arange(frames // 2) / 25])
    lattice = rng.normal(size=(frames, 31)).astype(np.float32)
    lattice[:5, :10] = np.nan
    of_face = {"times": times, "lattice": lattice, "lag_curve": lattice[5:].mean(axis=0)}
    of_voice = {
        "voice_map": rng.normal(size=(24, 50)).astype(np.float32),
        "voice_frequencies": np.linspace(100, 6500, 24),
        "voice_times": np.linspace(0.5, 7.5, 50),
    }
    return replace(verdict, artefacts={0: of_face, None: of_voice})


def drawn(figure):
    """The picture of a figure, uint8 [H, W, 3]."""
    written = BytesIO()
    figure.savefig(written, format="png")
    return np.asarray(Image.open(written).convert("RGB"))


def titled(figure):
    """The axes of a figure that hold something, by the words beside or above them."""
    return {axes.get_title(loc="left") or axes.get_ylabel(): axes for axes in figure.axes if axes.axison}


class TestPlot:
    @pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.verdict)
    def test_every_verdict_can_be_drawn(self, verdict):
        figure = verdict.plot()
        assert isinstance(figure, Figure)
        assert drawn(figure).std() > 0

    def test_each_check_has_a_strip_with_a_bar_for_each_window(self):
        axes = titled(verdicts.suspicious().plot())
        bars = axes["lips"].patches
        assert [(round(bar.get_x(), 2), round(bar.get_width(), 2)) for bar in bars] == [
            (0.2, 2.5),
            (2.7, 2.6),
            (5.3, 2.6),
        ]
        assert [bar.get_hatch() for bar in bars] == [None, "///", None]  # not by colour alone
        assert bars[1].get_height() == pytest.approx(-np.log10(0.031))

    def test_what_is_suspicious_is_seen(self):
        def red(verdict):
            picture = drawn(verdict.plot()).astype(int)
            return ((picture[..., 0] > 150) & (picture[..., 1] < 80)).sum()

        calm = replace(
            verdicts.suspicious(), level=0.001, tracks=[replace(verdicts.suspicious().tracks[0], segments=[])]
        )
        assert red(verdicts.suspicious()) > 1000 > red(calm)

    def test_without_a_calibration_scores_are_drawn(self):
        (bar,) = titled(verdicts.measured().plot())["lips"].patches
        assert bar.get_height() == pytest.approx(-0.312)

    def test_kept_arrays_are_drawn(self):
        axes = titled(kept(verdicts.suspicious()).plot())
        lattice = axes["bright: the lips of face 0 fit the speech; dotted: the lag"]
        assert lattice.get_ylim() == pytest.approx((-620, 620))
        assert lattice.lines[0].get_ydata()[0] == 160
        assert axes["bright: unlike recorded speech"].get_ylabel() == "frequency of\nthe voice (kHz)"

    def test_nothing_is_drawn_in_a_gap(self):
        lattice = titled(kept(verdicts.suspicious()).plot())[
            "bright: the lips of face 0 fit the speech; dotted: the lag"
        ]
        ((mesh),) = lattice.collections
        columns = np.isnan(np.ma.filled(mesh.get_array(), np.nan)).all(axis=0)
        assert columns.sum() == 2  # one on each side

    def test_a_model_that_looks_at_all_frequencies_together_gives_a_curve(self):
        flat = {"voice_map": np.zeros((1, 9), np.float32), "voice_frequencies": [4000.0], "voice_times": np.arange(9.0)}
        axes = titled(replace(verdicts.of_sound(), artefacts={None: flat}).plot())
        assert len(axes["bright: unlike recorded speech"].lines) == 1

    @pytest.mark.parametrize("name", ["$x^.mp4", r"$\frac{.mp4", "\x1b[2J.mp4", "a" * 200 + ".mp4"])
    def test_no_name_is_a_formula(self, name):
        checks = {name: verdicts.of_sound().checks["voice"]}
        drawn(replace(verdicts.of_sound(name), checks=checks).plot())

    def test_a_notebook_shows_it_once_and_nothing_opens_a_window(self):
        """A figure of pyplot would be shown at the end of the cell, and again as its value."""
        code = (
            "import sys, verdicts\n"
            "figure = verdicts.suspicious().plot()\n"
            "assert figure._repr_png_().startswith(b'\\x89PNG')\n"
            "assert 'matplotlib.pyplot' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"], check=True)


class TestPandas:
    def test_it_has_the_rows_and_the_columns_of_the_csv_table(self):
        table = avsync.to_pandas(ALL)
        read = pandas.read_csv(BytesIO(to_csv(ALL).encode()))
        assert list(table.columns) == list(read.columns)
        assert list(table["path"]) == list(read["path"])
        assert list(table["track"].dropna()) == [0, 0, 1, 0]

    def test_columns_have_their_own_types(self):
        types = avsync.to_pandas(ALL).dtypes.astype(str)
        assert types[["path", "verdict", "reason", "warnings", "segments", "check_lips_reason"]].eq("string").all()
        assert types[["p_value", "leading_silence", "lag_ms", "check_voice_p_value"]].eq("float64").all()
        assert types[["reading_agreement_percentile"]].eq("float64").all()
        assert types[["decisive_track", "width", "track", "box_left", "decode_errors"]].eq("Int64").all()
        assert types["resampled"] == "boolean"

    @pytest.mark.parametrize("some", [[], [verdicts.refused()], [verdicts.of_sound()]])
    def test_types_do_not_hang_on_what_is_there(self, some):
        every = avsync.to_pandas(ALL).dtypes
        assert all(every[name] == dtype for name, dtype in avsync.to_pandas(some).dtypes.items())

    def test_what_is_missing_is_missing(self):
        row = avsync.to_pandas([verdicts.refused()]).iloc[0]
        assert row[["p_value", "decisive_track", "track", "lag_ms"]].isna().all()
        assert row["reason"] == "no_face"

    def test_values_are_those_of_the_verdict(self):
        first, second = avsync.to_pandas([verdicts.consistent()]).itertuples()
        assert (first.p_value, first.track_p_value, second.track_p_value) == (0.4, 0.6, 0.2)
        assert (second.check_lips_p_value, second.reading_agreement_value) == (0.031, -0.4)

    def test_text_stays_as_it_is(self):
        """The apostrophe is for spreadsheets."""
        assert avsync.to_pandas([verdicts.refused("=1+1")])["path"][0] == "=1+1"


@pytest.mark.parametrize(
    ("call", "library", "extra"),
    [("verdicts.suspicious().plot()", "matplotlib", "plot"), ("avsync.to_pandas([])", "pandas", "pandas")],
)
def test_without_the_library_the_error_says_what_to_install(call, library, extra):
    code = f"import sys; sys.path[:] = {sys.path!r}; sys.modules[{library!r}] = None\nimport avsync, verdicts; {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.search(
        rf"^ImportError: .*needs {library} .*: pip install 'avsync\[{extra}\]'$", done.stderr, re.MULTILINE
    )


def test_a_verdict_alone_imports_neither_reports_nor_libraries_of_pictures():
    code = "import sys, avsync.score.verdict; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"avsync.report", "matplotlib", "pandas"} & set(loaded)
