"""`avsync explain`: a verdict in plain words, of a file that is judged now or of a report that was written before."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import stand_in
import verdicts
from rich.cells import cell_len
from typer.testing import CliRunner

from avsync import cli
from avsync.errors import Reason, UsageError
from avsync.isolation import detector as isolated
from avsync.report import to_json, to_jsonl
from avsync.report.explain import explain
from avsync.report.stored import read_verdicts
from avsync.report.wording import contents, number, place
from avsync.score.readings import READINGS
from avsync.score.verdict import CheckResult, ReadingValue, Standout

ALL = [
    verdicts.suspicious(),
    verdicts.spliced(),
    verdicts.consistent(),
    verdicts.of_sound(),
    verdicts.measured(),
    verdicts.refused(),
]


def sections(verdict, width=10_000):
    """By title, the paragraphs: in lines this long, each is one."""
    found = {}
    for block in explain(verdict, width).strip("\n").split("\n\n"):
        title, *paragraphs = block.split("\n")
        found[title] = [paragraph.strip() for paragraph in paragraphs]
    return found


class TestSections:
    def test_the_first_says_the_verdict_and_the_reason_for_it(self):
        ((title, (said, *_)), *_) = sections(verdicts.suspicious()).items()
        assert title == "dubbed.mp4: suspicious"
        assert said.startswith("face 0 (0.2–7.9 s): lip movements do not match the speech; only 3.1 %")

    def test_what_was_looked_at(self):
        assert sections(verdicts.suspicious())["What was looked at"] == [
            "The file: 8.0 s, pictures of 640×360 pixels, 30 per second, sound of 48000 samples per second.",
            "Left out, because nobody speaks: 0.2 s at the start and 0.1 s at the end.",
            "Face 0 is seen 0.2–7.9 s, with 7.7 s of speech; the sound comes 160 ms after the lips.",
            "Warning: sound is missing for 0.3 s.",
        ]

    def test_of_several_faces_it_says_which_decides(self):
        lines = sections(verdicts.consistent())["What was looked at"]
        assert [line.endswith("The verdict rests on this face.") for line in lines if line.startswith("Face")] == [
            False,
            True,
        ]

    def test_each_check_tells_its_question_and_its_answer(self):
        told = sections(verdicts.suspicious())
        assert told["lips: Do these lips and this speech go together?"][:3] == [
            "Unusual: only 3.1 % of real recordings score as high (p = 0.031).",
            "It means: lip movements do not match the speech.",
            "Most unusual of 3 windows: 2.7–5.3 s.",
        ]
        assert told["face: Does this face look and move as cameras record faces?"][0] == (
            "Nothing unusual: 42 % of real recordings score as high (p = 0.42)."
        )

    def test_each_reading_tells_what_it_measures_and_its_place_among_real_recordings(self):
        told = sections(verdicts.suspicious())["lips: Do these lips and this speech go together?"]
        assert told[3] == (
            "- agreement -0.4: how well the lips fit the speech, once a constant lag is taken out. "
            "It is lower than 99 % of real recordings; low is unusual."
        )
        assert told[4].endswith("It is higher than 60 % of real recordings; it is only told, and does not count.")
        assert told[5] == "It was compared with real recordings of 31 people."

    def test_the_place_in_the_voice_is_told(self):
        (*_, voice) = (lines for title, lines in sections(verdicts.of_sound()).items() if title.startswith("voice:"))
        assert (
            voice[1] == "It means: the voice sounds unlike recorded speech, most between 0.4 and 1.2 s around 5.1 kHz."
        )

    def test_a_check_without_an_answer_says_why(self):
        told = sections(verdicts.of_sound())["lips: Do these lips and this speech go together?"]
        assert told == ["Not asked: the file has no moving picture (no_video)."]

    def test_the_window_is_one_of_the_face_that_decides(self):
        both = verdicts.consistent()
        told = sections(replace(both, decisive_track=0))["lips: Do these lips and this speech go together?"]
        assert "Most unusual of 3 windows: 2.7–5.3 s." in told
        assert not any("windows" in line for line in sections(both)["lips: Do these lips and this speech go together?"])

    def test_how_the_checks_were_put_together(self):
        (fused,) = sections(verdicts.suspicious())["All checks together"]
        assert "of which 3.1 % have one as high" in fused
        (alone,) = sections(verdicts.of_sound())["All checks together"]
        assert alone == "Only the check voice was asked, so its p-value counts: 0.031."

    def test_of_sound_alone_the_check_counts_as_it_is_and_nobody_is_counted(self):
        standout = Standout("voice", 1.0, 2.0, 0.3)
        verdict = replace(verdicts.of_sound(), p_value=0.25, whole_p_value=0.2, standout=standout)
        alone, stretch = sections(verdict)["All checks together"]
        assert alone == "Only the check voice was asked, so its p-value counts: 0.2."
        assert stretch.startswith("The stretch that stands out most is 1.0–2.0 s, to the check voice")

    def test_a_stretch_that_stands_out_decides_where_the_whole_is_ordinary(self):
        verdict = verdicts.spliced()
        told = sections(verdict)
        assert "lip movements do not match the speech, most at 3.1–4.2 s; only 2 % of real recordings" in " ".join(
            told[f"{verdict.path}: suspicious"]
        )
        *_, stretch = told["All checks together"]
        assert stretch.startswith("The stretch that stands out most is 3.1–4.2 s, to the check lips; 0.4 % of real")
        assert stretch.endswith("smaller of whole / 0.8 and stretch / 0.2 is that of the verdict, 0.02.")
        assert told["What to do next"][0] == "- Look at and listen to 3.1–4.2 s."
        assert told["What to do next"][1].startswith("- Rule out ordinary causes (lips): ")

    def test_checks_that_were_not_calibrated_together_are_said_to_be_fused_by_bonferroni(self):
        verdict = verdicts.suspicious()
        track = replace(verdict.tracks[0], p_value=0.093)
        (fused,) = sections(replace(verdict, p_value=0.093, tracks=[track]))["All checks together"]
        assert fused.endswith("multiplied by their number (Bonferroni): 0.093.")

    def test_several_speakers_are_counted(self):
        assert sections(verdicts.consistent())["All checks together"][-1] == (
            "Several people speak one after the other. The most unusual counts, with its p-value multiplied by their "
            "number: 0.4."
        )

    def test_what_the_p_value_means_and_what_not(self):
        told = " ".join(sections(verdicts.suspicious())["What the p-value means, and what not"])
        assert "at or below the level, 0.05, so the verdict is suspicious" in told
        assert "not the probability that this recording is fake" in told
        assert "real recordings of 31 people. With that many, p = 0.031 is the least that a check can say" in told

    def test_there_is_always_something_to_do(self):
        assert all(sections(verdict)["What to do next"] for verdict in ALL)

    def test_without_a_calibration_nothing_is_unusual(self):
        told = sections(verdicts.measured())
        assert "What the p-value means, and what not" not in told
        assert told["All checks together"][0].startswith("The model was not compared with real recordings")

    def test_a_refused_file_says_its_reason_once(self):
        text = explain(verdicts.refused())
        assert text.count("no face is seen") == 1
        assert "What was looked at" not in text

    def test_a_check_and_a_reading_that_are_registered_nowhere_are_told_by_their_names(self):
        hum = CheckResult(1.0, 0.3, {"pitch": ReadingValue(1.5, 99.9, 0.01)}, people=31)
        told = sections(replace(verdicts.of_sound(), checks={"hum": hum}))["hum: hum"]
        assert "- pitch 1.5. It is higher than nearly all real recordings." in told


class TestText:
    @pytest.mark.parametrize("width", [40, 80, 120])
    @pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: verdict.verdict)
    def test_no_line_is_wider_than_asked_and_no_number_loses_its_unit(self, verdict, width):
        lines = explain(verdict, width).splitlines()
        assert all(cell_len(line) <= width for line in lines if line.startswith(" "))
        assert not any(line.endswith(("p =", " p")) or line.strip().startswith(("s ", "ms ", "%")) for line in lines)

    @pytest.mark.parametrize("name", ["\x1b[2J.mp4", "a\nb.mp4", "\u202e4pm.exe", "[red]x.mp4"])
    def test_text_of_strangers_is_one_printable_line(self, name):
        refusal = verdicts.refused(name, Reason.UNREADABLE, name)
        named = {name: replace(refusal.checks["lips"], reason=Reason.NO_FACE)}
        for verdict in (refusal, replace(verdicts.of_sound(name), warnings=[name], checks=named)):
            text = explain(verdict)
            assert text.replace("\n", "").isprintable()
            assert "\n\n\n" not in text

    @pytest.mark.parametrize(("value", "said"), [(0.3123, "0.312"), (7979.6, "7980"), (2e9, "2e+09"), (-3.71, "-3.71")])
    def test_numbers_are_short(self, value, said):
        assert number(value) == said

    @pytest.mark.parametrize(
        ("percentile", "said"),
        [
            (0, "lower than nearly all real recordings"),
            (1.2, "lower than 99 % of real recordings"),
            (100, "higher than"),
        ],
    )
    def test_a_place_is_told_from_its_nearer_end(self, percentile, said):
        assert place(percentile).startswith(said)

    def test_long_files_are_told_in_minutes(self):
        assert contents(replace(verdicts.of_sound(), duration=3605.0)).startswith("60:05.0 minutes, no pictures")

    def test_every_reading_of_the_embedded_model_can_be_told(self):
        readings = {name: ReadingValue(1.0, 50.0, 1.0) for name in READINGS}
        checks = {"lips": replace(verdicts.suspicious().checks["lips"], readings=readings)}
        told = explain(replace(verdicts.suspicious(), checks=checks), 10_000)
        assert all(f"- {name} 1: {reading.meaning}" in told for name, reading in READINGS.items())


class TestStored:
    @pytest.mark.parametrize(("name", "write"), [("x.json", to_json), ("x.JSONL", to_jsonl)])
    def test_a_report_is_read_as_it_was_written(self, tmp_path, name, write):
        (tmp_path / name).write_text(write(ALL))
        assert read_verdicts(tmp_path / name) == ALL

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", "null", '{"verdicts": 1}', '{"verdicts": [1]}', '{"verdicts": [{}]}', "[" * 100_000]
    )
    def test_something_else_is_refused_in_one_line(self, tmp_path, text):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(UsageError, match=r"x.json: is no report of this version of avsync; write one with"):
            read_verdicts(tmp_path / "x.json")

    def test_what_cannot_be_read_is_refused_in_one_line(self, tmp_path):
        (tmp_path / "x.json").write_bytes(b"\xff\xfe\xff")
        for name in ("x.json", "missing.json", "."):
            with pytest.raises(UsageError, match="cannot be read"):
                read_verdicts(tmp_path / name)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs `avsync explain`, with a stand-in for the detector of a worker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "avsync.detector", stand_in)
    monkeypatch.setattr(isolated, "FACTORY", "stand_in:Detector")
    monkeypatch.setenv("COLUMNS", "60")
    return lambda *words: CliRunner().invoke(cli.command_line, ["explain", *words])


class TestCommand:
    def test_a_file_is_judged_and_explained(self, run):
        Path("a.mp4").write_bytes(b"?")
        result = run("a.mp4")
        assert result.stdout.startswith("a.mp4: consistent\n  face 0 (0.2–7.9 s): nothing unusual in lips and face;")
        assert "What to do next" in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= 60
        assert result.exit_code == 0

    def test_a_file_that_cannot_be_judged_is_explained_too(self, run):
        result = run("missing.mp4")
        assert result.stdout.startswith("missing.mp4: cannot judge\n  unreadable: no such file.\n")
        assert result.exit_code == 1

    def test_the_level_is_an_option(self, run):
        Path("dubbed.mp4").write_bytes(b"?")
        assert run("dubbed.mp4").stdout.startswith("dubbed.mp4: suspicious")
        assert run("dubbed.mp4", "--level", "0.01").stdout.startswith("dubbed.mp4: consistent")

    def test_a_report_is_explained_and_no_file_is_judged(self, run, monkeypatch):
        monkeypatch.setattr(isolated, "FACTORY", "stand_in:Broken")
        Path("x.json").write_text(to_json(ALL))
        result = run("x.json")
        titles = [f"{Path(v.path).name}: {v.verdict.replace('_', ' ')}" for v in ALL]
        assert [line for line in result.stdout.splitlines() if line in titles] == titles
        assert result.exit_code == 1  # one of them could not be judged

    def test_a_report_with_changed_values_is_refused_in_one_line(self, run):
        document = json.loads(to_json([verdicts.suspicious()]))
        document["verdicts"][0]["p_value"] = "low"
        Path("x.json").write_text(json.dumps(document))
        error = run("x.json").exception
        assert isinstance(error, UsageError)
        assert str(error).startswith("x.json: holds values that no verdict has")
