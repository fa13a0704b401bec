"""The command line: its options, what it prints where, and how it ends. A stand-in replaces the detector."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import stand_in
from typer.testing import CliRunner

from avsync import cli
from avsync.checks.registry import CHECKS
from avsync.datasets.registry import DATASETS
from avsync.datasets.roles import role
from avsync.errors import Reason, UsageError
from avsync.face.interface import FACE_DETECTORS
from avsync.isolation import detector as isolated
from avsync.report import ReportStream
from avsync.score.readings import readings_of

TESTS = Path(__file__).parent
# The command line with the stand-in in the process itself and in its workers.
SUBPROCESS = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import stand_in
sys.modules["avsync.detector"] = stand_in
from avsync.isolation import detector
detector.FACTORY = "stand_in:Detector"
from avsync.cli import main
"""
HOSTAGE = 'detector.FACTORY = "stand_in:Hostage"'


@pytest.fixture
def detector(monkeypatch):
    """The stand-in; returns a function that chooses another for the workers."""

    def choose(name):
        monkeypatch.setattr(isolated, "FACTORY", f"stand_in:{name}")

    monkeypatch.setitem(sys.modules, "avsync.detector", stand_in)
    choose("Detector")
    return choose


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b/dubbed.MOV", "b/deep/c.webm", "b/notes.txt", "b/._a.mp4", "empty/notes.txt", "x[1].mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"?")
    return tmp_path


def run(*words):
    return CliRunner().invoke(cli.command_line, [str(word) for word in words])


def spawn(*words, before="", **options):
    code = f"{SUBPROCESS}\n{before}\nmain()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, words)], text=True, **pipes)


def on_a_terminal(*words, columns=100, **environment):
    """What `avsync score` prints, and what it shows on standard error if that is a terminal."""
    Path("read.mp4").write_bytes(b"?")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    process = spawn("score", *words, before=HOSTAGE, stderr=theirs, env=environment)
    os.close(theirs)
    out, shown = process.stdout.read(), b""
    process.wait()
    with suppress(OSError):  # Linux says that the other end is closed by an error
        while piece := os.read(ours, 10_000):
            shown += piece
    os.close(ours)
    return out, shown.decode()


def scored(*words):
    return [Path(v["path"]).as_posix() for v in json.loads(run("score", "--json", *words).stdout)["verdicts"]]


@pytest.mark.usefixtures("detector")
class TestScore:
    def test_a_line_and_a_table(self, clips):
        result = run("score", "a.mp4")
        first, *table = result.stdout.splitlines()
        assert first.startswith("a.mp4: consistent — face 0 (0.2–7.9 s): nothing unusual in lips and face")
        assert any("face" in line and "lag" in line for line in table)
        assert result.exit_code == 0

    def test_suspicious_is_no_failure(self, clips):
        assert run("score", "b/dubbed.MOV").exit_code == 0

    def test_folders_are_searched_for_videos(self, clips):
        assert scored("b") == ["b/deep/c.webm", "b/dubbed.MOV"]

    def test_patterns_are_expanded(self, clips):
        assert scored("*.mp4", "b/**/*.webm") == ["a.mp4", "x[1].mp4", "b/deep/c.webm"]

    def test_brackets_may_belong_to_a_name(self, clips):
        assert scored("x[1].mp4") == ["x[1].mp4"]

    def test_each_file_once_in_the_order_given(self, clips):
        assert scored("b/dubbed.MOV", "a.mp4", "b") == ["b/dubbed.MOV", "a.mp4", "b/deep/c.webm"]

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("missing.mp4", "no such file"),
            ("*.avi", "no such file"),
            ("empty", "no video or sound file in this folder"),
            ("long" * 99, "no such file"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_reported_and_stops_nothing(self, clips, name, words):
        result = run("score", name, "a.mp4")
        assert f"{name}: cannot judge — unreadable: {words}" in result.stdout
        assert "a.mp4: consistent" in result.stdout
        assert result.exit_code == 1

    def test_a_sound_file_is_told_which_checks_could_not_be_asked(self, clips):
        (clips / "voice.wav").write_bytes(b"?")
        result = run("score", "voice.wav")
        line = "voice.wav: cannot judge — no_video: the file has no moving picture (no answer: lips, face)"
        assert (result.stdout, result.exit_code) == (f"{line}\n", 1)

    def test_a_folder_without_videos_says_so_once(self, clips):
        assert run("score", "empty").stdout.count("\n") == 1

    def test_the_options_go_to_the_detector(self, clips, detector):
        words = (
            "--checks",
            "lips",
            "--faces",
            "dlib",
            "--device",
            "cuda:1",
            "--trim",
            "none",
            "--backbone",
            "avhubert",
        )
        detector("Echo")
        result = run("score", "a.mp4", *words, "--reading", "factor", "--features", ".", "--json")
        assert json.loads(json.loads(result.stdout)["verdicts"][0]["model"]) == {
            "checks": "lips",
            "faces": "dlib",
            "device": "cuda:1",
            "trim": "none",
            "backbone": "avhubert",
            "reading": "factor",
            "features": ".",
            "weights": None,
            "level": 0.05,
        }

    def test_the_level_decides(self, clips):
        assert "dubbed.MOV: consistent" in run("score", "b/dubbed.MOV", "--level", "0.01").stdout

    def test_json_is_the_whole_output(self, clips):
        result = run("score", "--json", "a.mp4", "missing.mp4")
        assert [v["verdict"] for v in json.loads(result.stdout)["verdicts"]] == ["consistent", "cannot_judge"]
        assert (result.stderr, result.exit_code) == ("", 1)

    @pytest.mark.parametrize("name", ["x.json", "x.csv", "x.html"])
    def test_output_is_written_beside_the_table(self, clips, name):
        assert "a.mp4: consistent" in run("score", "a.mp4", "--output", name).stdout
        assert "a.mp4" in (clips / name).read_text()

    @pytest.mark.parametrize("name", ["x.pdf", "missing/x.csv", "a.mp4/x.jsonl", "b.json", "/proc/x.html"])
    def test_a_wrong_output_is_refused_before_the_work(self, clips, name):
        (clips / "b.json").mkdir()
        result = run("score", "a.mp4", "--output", name)
        assert isinstance(result.exception, UsageError)
        assert result.stdout == ""

    def test_json_lines_are_verdicts_line_by_line(self, clips):
        result = run("score", "--json-lines", "a.mp4", "missing.mp4")
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [(line["schema"], line["path"], line["verdict"]) for line in lines] == [
            ("avsync.verdict/2", "a.mp4", "consistent"),
            ("avsync.verdict/2", "missing.mp4", "cannot_judge"),
        ]
        assert result.exit_code == 1

    def test_quiet_prints_the_table_alone_and_why_files_cannot_be_judged(self, clips):
        result = run("score", "a.mp4", "missing.mp4", "--quiet")
        assert result.stdout.split()[:3] == ["file", "verdict", "face"]
        assert "a.mp4: consistent" not in result.stdout
        assert result.stderr == "missing.mp4: cannot judge — unreadable: no such file\n"
        assert result.exit_code == 1

    def test_quiet_with_a_report_prints_nothing(self, clips):
        result = run("score", "a.mp4", "-q", "--output", "x.json")
        assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)
        assert json.loads((clips / "x.json").read_text())["verdicts"][0]["path"] == "a.mp4"

    @pytest.mark.parametrize("kind", ["--json", "--json-lines"])
    def test_quiet_changes_nothing_of_json(self, clips, kind):
        told = [run("score", "a.mp4", "missing.mp4", kind, *words) for words in ((), ("--quiet",), ("--verbose",))]
        assert {(result.stdout, result.stderr) for result in told} == {(told[0].stdout, "")}

    def test_verbose_tells_what_was_read_every_reading_and_the_time(self, clips, detector):
        detector("Hostage")  # it tells a hash, as if it had opened the file
        lines = run("score", "a.mp4", "missing.mp4", "-v").stdout.splitlines()
        assert lines[1] == "  8.0 s, no pictures, no sound"
        assert lines[2] == "  lips: agreement 0.31, lower than 99 % of real recordings"
        assert re.fullmatch(r"  took \d\.\d s", lines[3])
        assert lines[4].startswith("missing.mp4: cannot judge")

    def test_files_that_are_judged_side_by_side_have_no_time_of_their_own(self, clips):
        assert "took" not in run("score", "a.mp4", "-v", "--jobs", "2").stdout

    @pytest.mark.parametrize("verb", ["score", "evaluate"])
    def test_quiet_and_verbose_contradict_each_other(self, clips, verb):
        error = run(verb, "b", "-q", "-v").exception
        assert str(error) == "--quiet and --verbose: choose one of them"

    def test_two_kinds_of_json_are_wrong_usage(self, clips):
        assert isinstance(run("score", "--json-lines", "--json", "a.mp4").exception, UsageError)

    def test_a_file_that_crashes_hangs_or_fills_the_memory_costs_only_itself(self, clips, detector):
        detector("Hostage")
        for name in ("abort.mp4", "hang.mp4", "allocate.mp4"):
            (clips / name).write_bytes(b"?")
        limits = ("--timeout", "2", "--max-memory", "150", "--jobs", "2")
        result = run("score", "abort.mp4", "hang.mp4", "allocate.mp4", "a.mp4", "--json-lines", *limits)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [line["reason"] for line in lines] == ["crashed", "timed_out", "out_of_memory", None]
        assert result.exit_code == 1

    @pytest.mark.parametrize("limit", [("--jobs", "0"), ("--timeout", "0"), ("--max-memory", "0")])
    def test_limits_are_positive(self, clips, limit):
        assert isinstance(run("score", "a.mp4", *limit).exception, UsageError)


class TestEnd:
    """How the process ends, and what it says."""

    @pytest.mark.parametrize(
        "words",
        [
            ["nonsense"],
            ["score"],
            ["score", "--nonsense", "a.mp4"],
            ["score", "--level", "low", "a.mp4"],
            ["score", "--trim", "all", "a.mp4"],
            ["score", "--weights", "missing.safetensors", "a.mp4"],
            ["evaluate", ".", "--role", "nobody"],
        ],
    )
    def test_wrong_usage_is_one_line_and_status_2(self, words):
        result = run(*words)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in result.stderr

    @pytest.mark.usefixtures("detector")
    def test_errors_of_avsync_are_one_line_and_status_2(self, capsys, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["avsync", "score", "a.mp4", "--output", "\x1b[2J.pdf"])
        with pytest.raises(SystemExit) as status:
            cli.main()
        assert status.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("avsync: \\x1b[2J.pdf: a report is written as .json, .csv, .html")
        assert captured.err.count("\n") == 1

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
    @pytest.mark.parametrize("words", [["--json"], []])
    def test_a_full_disk_is_one_line(self, clips, words):
        with Path("/dev/full").open("w") as full:
            process = spawn("score", "a.mp4", *words, stdout=full)
            assert process.communicate()[1] == "avsync: [Errno 28] No space left on device\n"
        assert process.returncode == 2

    def test_in_a_pipe_there_are_only_results(self, clips):
        out, err = spawn("score", "a.mp4").communicate()
        assert out.startswith("a.mp4: consistent")
        assert err == ""

    @pytest.mark.parametrize("columns", [40, 100])
    def test_on_a_terminal_a_bar_shows_the_stage_and_the_seconds_of_the_present_file_and_the_time_left(
        self, clips, columns
    ):
        out, shown = on_a_terminal("a.mp4", "read.mp4", columns=columns)
        lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown))
        assert any("2/2: following faces 3/4 s" in line and re.search(r"\d\d:\d\d left$", line) for line in lines)
        assert max(map(len, lines)) <= columns
        assert out.startswith("a.mp4: consistent")

    def test_quiet_shows_no_bar(self, clips):
        assert on_a_terminal("a.mp4", "read.mp4", "--quiet")[1] == ""

    def test_no_color_takes_colour_from_the_bar(self, clips):
        assert "\x1b[38;5;" in on_a_terminal("read.mp4")[1]
        assert "\x1b[38;5;" not in on_a_terminal("read.mp4", NO_COLOR="1")[1]

    def test_interrupted(self, clips):
        (clips / "hang.mp4").write_bytes(b"?")
        # A shell makes what it runs in the background, such as these tests, ignore Ctrl-C.
        heeding = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        process = spawn("score", "a.mp4", "hang.mp4", "--output", "x.jsonl", before=f"{heeding}\n{HOSTAGE}")
        assert process.stdout.readline().startswith("a.mp4: consistent")
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "avsync: interrupted\n")
        assert process.returncode == 130
        assert [json.loads(line)["path"] for line in (clips / "x.jsonl").read_text().splitlines()] == ["a.mp4"]

    @pytest.mark.parametrize("words", [["--json"], ["--json-lines"], []])
    def test_a_reader_that_goes_away_is_no_error(self, clips, words):
        read, write = os.pipe()
        os.close(read)
        process = spawn("score", "a.mp4", *words, stdout=write)
        os.close(write)
        assert process.communicate()[1] == ""
        assert process.returncode == 141

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_a_closed_standard_stream_is_no_error_and_no_file_takes_its_place(self, clips, closed):
        code = f"{SUBPROCESS}\nmain()"
        words = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-c", code, "score", "a.mp4", "--output", "x.json"]
        result = subprocess.run(words, capture_output=True, text=True)
        assert (result.stderr, result.returncode) == ("", 0)
        assert json.loads((clips / "x.json").read_text())["verdicts"][0]["path"] == "a.mp4"

    @pytest.mark.parametrize("verb", ["score", "evaluate"])
    def test_an_error_in_avsync_is_a_line_that_names_a_report_without_personal_data(self, clips, verb):
        before = 'detector.FACTORY = "stand_in:Broken"; stand_in.Detector = stand_in.Broken'
        if verb == "evaluate":
            before += "; import avsync.datasets; avsync.datasets.open_dataset = lambda *_: 1 / 0"
        environment = {**os.environ, "TMPDIR": str(clips / "empty")}
        process = spawn(verb, "a.mp4" if verb == "score" else ".", before=before, env=environment)
        out, err = process.communicate()
        assert (out, process.returncode, err.count("\n")) == ("", 3, 1)
        (file,) = (clips / "empty").glob("avsync-error-*.txt")
        assert str(file) in err
        text = file.read_text()
        assert ("ValueError" if verb == "score" else "ZeroDivisionError") in text
        assert "secret" not in text
        assert str(TESTS.parent) not in text

    def test_an_error_in_avsync_with_one_file_is_told_when_all_are_judged(self, clips):
        (clips / "raises.mp4").write_bytes(b"?")
        environment = {**os.environ, "TMPDIR": str(clips / "empty")}
        process = spawn("score", "raises.mp4", "a.mp4", before=HOSTAGE, env=environment)
        out, err = process.communicate()
        assert "raises.mp4: cannot judge — crashed: an error in avsync (ValueError)" in out
        assert "a.mp4: consistent" in out
        assert err.startswith("avsync: internal error; please report it with ")
        assert process.returncode == 3

    def test_without_a_temporary_folder_an_error_in_avsync_is_still_one_line(self, clips):
        before = 'detector.FACTORY = "stand_in:Broken"; import tempfile; tempfile.tempdir = "/nowhere"'
        process = spawn("score", "a.mp4", before=before)
        assert process.communicate() == ("", "avsync: internal error; no report could be written\n")
        assert process.returncode == 3

    def test_letters_that_the_terminal_lacks_are_escaped(self, clips):
        (clips / "речь.mp4").write_bytes(b"?")
        out, err = spawn("score", "речь.mp4", env={**os.environ, "PYTHONIOENCODING": "ascii"}).communicate()
        assert out.startswith("\\u0440\\u0435\\u0447\\u044c.mp4: consistent")
        assert err == ""

    def test_version(self):
        assert run("--version").stdout.startswith("avsync 0.")

    def test_module(self):
        words = [sys.executable, "-m", "avsync", "--version"]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == run("--version").stdout


class TestResume:
    """A report that grows can be stopped at any time, and gone on with."""

    @pytest.fixture(autouse=True)
    def detector(self, detector):
        detector("Detector")

    def paths(self, report):
        if report.suffix == ".jsonl":
            return [json.loads(line)["path"] for line in report.read_text().splitlines()]
        with report.open(newline="") as file:
            return [row["path"] for row in csv.DictReader(file)]

    @pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
    def test_each_file_is_written_as_soon_as_it_is_judged_and_a_killed_run_goes_on(self, clips, name):
        report = clips / name
        (clips / "hang.mp4").write_bytes(b"?")
        words = ("score", "a.mp4", "b/dubbed.MOV", "hang.mp4", "x[1].mp4", "--output", name)
        process = spawn(*words, before=HOSTAGE)
        for _ in range(2):
            process.stdout.readline()
        process.kill()
        process.communicate()
        assert self.paths(report) == ["a.mp4", "b/dubbed.MOV"]
        with report.open("a") as file:
            file.write('"half a')
        result = run(*words, "--resume")
        assert [line.split(":")[0] for line in result.stdout.splitlines()[:2]] == ["hang.mp4", "x[1].mp4"]
        assert self.paths(report) == ["a.mp4", "b/dubbed.MOV", "hang.mp4", "x[1].mp4"]
        assert result.exit_code == 0

    @pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
    def test_cut_anywhere_the_end_is_the_same(self, clips, name):
        report, log = Path(name), Path(f"{name}.resume")
        judge = stand_in.Detector()

        def write(resume):
            with ReportStream(report, judge.checks, ["agreement"], {"level": 0.05}, resume=resume) as stream:
                for path in stream.missing([Path("a.mp4"), Path("b/dubbed.MOV"), Path("missing.mp4")]):
                    stream.add(judge.score(path))
                assert not stream.all_judged
            return report.read_bytes()

        written, logged = write(False), log.read_bytes()
        first = logged.index(b"\n") + 1
        for cut in range(0, len(written) + 1, 331):
            for log_cut in range(first, len(logged) + 1, 67):
                report.write_bytes(written[:cut])
                log.write_bytes(logged[:log_cut])
                assert write(True) == written

    def test_a_file_that_has_changed_is_judged_again_and_a_new_one_is_added(self, clips):
        run("score", "a.mp4", "b/dubbed.MOV", "--output", "x.jsonl")
        (clips / "a.mp4").write_bytes(b"another")
        result = run("score", "a.mp4", "b/dubbed.MOV", "x[1].mp4", "--output", "x.jsonl", "--resume", "--json-lines")
        assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == ["a.mp4", "x[1].mp4"]
        assert self.paths(clips / "x.jsonl") == ["b/dubbed.MOV", "a.mp4", "x[1].mp4"]

    @pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
    @pytest.mark.parametrize("reason", ["timed_out", "out_of_memory", "crashed"])
    def test_a_file_that_may_be_judged_by_another_run_is_judged_again(self, clips, name, reason):
        report, refusing, judge = Path(name), {"a.mp4"}, stand_in.Detector()

        def write(*paths):
            with ReportStream(report, judge.checks, ["agreement"], {"level": 0.05}, resume=True) as stream:
                missing = stream.missing(map(Path, paths))
                for path in missing:
                    refused = judge.refuse(path, Reason(reason), "this time")
                    stream.add(refused if str(path) in refusing else judge.score(path))
                return [str(path) for path in missing], stream.all_judged

        assert write("a.mp4", "b/dubbed.MOV") == (["a.mp4", "b/dubbed.MOV"], False)
        assert write("b/dubbed.MOV") == ([], True)
        assert self.paths(report) == ["a.mp4", "b/dubbed.MOV"]
        assert write("a.mp4", "b/dubbed.MOV") == (["a.mp4"], False)
        refusing.clear()
        assert write("a.mp4", "b/dubbed.MOV") == (["a.mp4"], True)
        assert write("a.mp4", "b/dubbed.MOV") == ([], True)
        assert self.paths(report) == ["b/dubbed.MOV", "a.mp4"]

    def test_the_status_counts_files_of_the_report_that_could_not_be_judged(self, clips):
        assert run("score", "missing.mp4", "--output", "x.csv").exit_code == 1
        result = run("score", "missing.mp4", "--output", "x.csv", "--resume")
        assert (result.stdout, result.exit_code) == ("", 1)

    def test_other_settings_are_refused_and_the_report_stays(self, clips):
        run("score", "a.mp4", "--output", "x.csv")
        before = (clips / "x.csv").read_bytes()
        result = run("score", "a.mp4", "--output", "x.csv", "--resume", "--level", "0.1", "--trim", "none")
        assert str(result.exception).startswith("x.csv: was written with other settings (changed: trim, level)")
        assert (clips / "x.csv").read_bytes() == before

    def test_a_report_of_unknown_settings_is_refused(self, clips):
        (clips / "x.csv").write_text("mine")
        result = run("score", "a.mp4", "--output", "x.csv", "--resume")
        assert str(result.exception).startswith("x.csv: cannot be resumed without x.csv.resume")
        assert (clips / "x.csv").read_text() == "mine"

    def test_without_a_report_it_begins(self, clips):
        assert run("score", "a.mp4", "--output", "x.csv", "--resume").exit_code == 0
        assert self.paths(clips / "x.csv") == ["a.mp4"]

    @pytest.mark.parametrize("words", [(), ("--output", "x.json"), ("--output", "x.html")])
    def test_only_reports_that_grow_can_be_resumed(self, clips, words):
        assert isinstance(run("score", "a.mp4", "--resume", *words).exception, UsageError)

    def test_without_resume_a_report_is_written_anew(self, clips):
        run("score", "a.mp4", "--output", "x.csv")
        run("score", "b", "--output", "x.csv")
        assert self.paths(clips / "x.csv") == ["b/deep/c.webm", "b/dubbed.MOV"]

    @pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.json", "x.html"])
    def test_on_a_full_disk_it_is_one_line_and_nothing_is_half_written(self, clips, name):
        # Every file may have so many bytes, as if the disk were full then.
        before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); {HOSTAGE}"
        names = [f"{number}.mp4" for number in range(9)]
        for clip in names:
            (clips / clip).write_bytes(b"?")
        process = spawn("score", *names, "--output", name, "--json-lines", before=before)
        _, err = process.communicate()
        assert err == f"avsync: {name}: cannot be written (File too large)\n"
        assert process.returncode == 2
        if name in ("x.json", "x.html"):
            assert not list(clips.glob(f"{name}*"))
        else:
            paths = self.paths(clips / name)
            assert paths == names[: len(paths)]
            assert (clips / name).read_bytes().endswith(b"\n")
        assert not list(clips.glob(".*"))


class TestLightness:
    def test_nothing_heavy_is_imported(self):
        code = "import sys, avsync.cli; print(*sys.modules)"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert not {"torch", "av", "dlib", "numpy", "scipy", "omegaconf", "rich"} & set(out.split())

    def test_score_leaves_everything_heavy_to_its_workers(self, clips):
        before = "import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
        out, err = spawn("score", "a.mp4", before=f"{before}; del sys.modules['avsync.detector']").communicate()
        assert out.startswith("a.mp4: consistent")
        assert not {"torch", "av", "dlib", "scipy", "avsync.detector"} & set(err.split())

    def test_help_is_quick(self):
        def seconds(code):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, check=True)
            return time.perf_counter() - start

        # Relative to a bare start, so that a busy machine does not fail it: 0.02 s and 0.1 s on an idle one.
        bare = min(seconds("pass") for _ in range(3))
        assert min(seconds("from avsync.cli import main; main()") for _ in range(3)) < 15 * bare


class TestCompletion:
    """What the Tab key offers in bash."""

    @staticmethod
    def told(**variables):
        """What avsync prints to a shell that sets these variables."""
        code = "import sys; sys.argv[0] = 'avsync'; from avsync.cli import main; main()"
        environment = {**os.environ, **variables}
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout

    def offered(self, words):
        """For words of which the last is being written."""
        last = str(len(words.split(" ")) - 1)
        return self.told(_AVSYNC_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=last).split()

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("avsync ca", ["calibrate"]),
            ("avsync score --chec", ["--checks"]),
            ("avsync score --trim ", ["default", "paper", "none"]),
        ],
    )
    def test_verbs_options_and_their_values(self, words, expected):
        assert self.offered(words) == expected

    @pytest.mark.parametrize("words", ["avsync score cl", "avsync explain cl", "avsync score a.mp4 --output cl"])
    def test_names_of_files_are_left_to_the_shell(self, words):
        assert self.offered(words) == []
        script = self.told(_AVSYNC_COMPLETE="source_bash")
        assert "complete -o default" in script  # bash offers files where nothing else is offered


class TestVerbs:
    def test_a_verb_does_not_hide_the_module_of_its_name(self):
        for verb in ("score", "train", "calibrate", "extract", "evaluate", "demo", "app", "weights"):
            assert import_module(f"avsync.cli.{verb}") is getattr(cli, verb)
            assert run(verb, "--help").exit_code == 0

    def test_help_names_the_face_detectors(self):
        said = " ".join(run("score", "--help").stdout.split())
        assert all(name in said for name in FACE_DETECTORS)

    def test_help_names_the_checks_the_readings_and_the_data_sets(self):
        words = " ".join(run("score", "--help").stdout.split()) + " ".join(run("calibrate", "--help").stdout.split())
        for name in (*CHECKS, *DATASETS, *(reading.name for reading in readings_of("lattice") if reading.odd)):
            assert name in words


class TestTrain:
    def test_hands_the_config_over(self, monkeypatch):
        seen = []
        config = SimpleNamespace(load_config=lambda path, overrides: (path, overrides))
        monkeypatch.setitem(sys.modules, "avsync.train.config", config)
        monkeypatch.setitem(sys.modules, "avsync.train", SimpleNamespace(train=seen.append))
        assert run("train", "c.yaml", "data.root=x", "optim.lr=1e-3").exit_code == 0
        assert run("train", "c.yaml").exit_code == 0
        assert seen == [(Path("c.yaml"), ["data.root=x", "optim.lr=1e-3"]), (Path("c.yaml"), [])]

    def test_says_how_to_get_what_it_needs(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "avsync.train.config", SimpleNamespace(load_config=None))
        monkeypatch.setitem(sys.modules, "avsync.train", None)
        assert "pip install 'avsync[train,ssl]'" in str(run("train", "c.yaml").exception)


class TestCalibrate:
    def test_hands_everything_over(self, monkeypatch, tmp_path):
        seen = []
        calibration = SimpleNamespace(references={"lips": SimpleNamespace(seconds=[1.5, 2.0], people=[40.0, 30.0])})

        def calibrate(records, setup, output, *, on_progress):
            seen.append((records, setup, output))
            on_progress(1, 2)
            return calibration

        splits = SimpleNamespace(calibration_records=lambda root, dataset: [(root, dataset)])
        load = SimpleNamespace(load_setup=lambda weights, **options: (weights, options))
        monkeypatch.setitem(sys.modules, "avsync.calibrate", SimpleNamespace(calibrate=calibrate))
        monkeypatch.setitem(sys.modules, "avsync.checks.load", load)
        monkeypatch.setitem(sys.modules, "avsync.datasets.splits", splits)
        weights = tmp_path / "in.safetensors"
        weights.write_bytes(b"?")
        words = ("--backbone", "avhubert", "--reading", "factor", "--trim", "none", "--dataset", "voxceleb2")
        result = run("calibrate", "a", "b", "--weights", weights, *words, "--output", "out.safetensors")
        assert result.exit_code == 0
        assert "people with real windows: 40 of 1.5 s, 30 of 2 s" in result.stdout
        ((records, (given, options), output),) = seen
        assert records == [(Path("a"), "voxceleb2"), (Path("b"), "voxceleb2")]
        assert (given, output) == (weights, Path("out.safetensors"))
        assert (options["backbone"], options["reading"], options["trim"]) == ("avhubert", "factor", "none")
        assert options["calibrating"]


@pytest.mark.usefixtures("detector")
class TestEvaluate:
    @pytest.fixture
    def people(self):
        """Two people to report on, and one who calibrates."""
        names = {"report": [], "calibrate": []}
        for number in range(20):
            names[role(f"id{number:05d}")].append(f"id{number:05d}")
        return names["report"][:2] + names["calibrate"][:1]

    @pytest.fixture
    def root(self, tmp_path, people):
        tree = tmp_path / "FakeAVCeleb"
        rows = ["source,target1,target2,method,category,type,race,gender,path,"]
        for identity in people:
            for kind, method, name in (("RealVideo-RealAudio", "real", "r"), ("FakeVideo-RealAudio", "lips", "dubbed")):
                folder = f"{kind}/U/U/{identity}"
                (tree / folder).mkdir(parents=True)
                (tree / folder / f"{name}.mp4").write_bytes(b"?")
                rows.append(f"{identity},-,-,{method},A,{kind},U,U,{name}.mp4,FakeAVCeleb/{folder}")
        (tree / "meta_data.csv").write_text("\n".join(rows))
        return tree

    @pytest.mark.parametrize(("words", "real"), [((), 2), (("--role", "all"), 3), (("--role", "calibrate"), 1)])
    def test_prints_and_saves_the_figures(self, root, tmp_path, words, real):
        out = tmp_path / "out"
        result = run("evaluate", root, "--output", out, *words)
        assert result.exit_code == 0
        assert f"Judged {real} of {real} real clips" in result.stdout
        summary = json.loads((out / "summary.json").read_text())
        assert summary["overall"]["auc"]["value"] == 1.0
        assert summary["settings"]["model"] == "toy"

    def test_verbose_tells_of_every_clip_beside_the_tables(self, root, tmp_path):
        result = run("evaluate", root, "--output", tmp_path / "out", "-v")
        assert result.stderr.count("r.mp4: consistent — face 0") == 2
        assert "r.mp4" not in result.stdout

    def test_no_tree_is_wrong_usage(self):
        assert str(run("evaluate").exception).startswith("give the folder of a data set")

    def test_a_missing_tree_is_wrong_usage(self, tmp_path):
        assert isinstance(run("evaluate", tmp_path).exception, UsageError)


@pytest.mark.usefixtures("detector")
class TestDemo:
    @pytest.fixture(autouse=True)
    def no_real_clips(self, monkeypatch):
        def make_clips(folder):
            paths = folder / "in_sync.mp4", folder / "dubbed.mp4"
            for path in paths:
                path.write_bytes(b"?")
            return paths

        monkeypatch.setattr("avsync.demo.make_clips", make_clips)

    def test_shows_the_difference(self):
        result = run("demo")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-2:] == [
            "Both clips show the same lips; the first carries the matching speech, the second does not.",
            "p-value of the lips check: 0.42 for the first, 0.013 for the second.",
        ]

    def test_keeps_the_clips_in_a_named_folder(self, tmp_path):
        run("demo", "--folder", tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["dubbed.mp4", "in_sync.mp4"]
