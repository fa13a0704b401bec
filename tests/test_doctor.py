"""`avsync doctor`: it says what is missing and what to do, whatever is broken, and never hangs."""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avsync.cli import command_line, diagnosis, probe
from avsync.cli.diagnosis import EXTRAS, diagnose
from avsync.face.interface import FACE_DETECTORS

ROOT = Path(__file__).parents[1]


def run(*words):
    return CliRunner().invoke(command_line, ["doctor", *words])


@pytest.fixture
def only(monkeypatch):
    """Lets the doctor ask some probes only."""
    return lambda *names: monkeypatch.setattr(diagnosis, "PROBES", dict.fromkeys(names))


@pytest.fixture
def findings():
    """What the doctor finds, by what it is about."""
    return lambda: {finding.about: finding for finding in diagnose()}


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """Puts a module of that name and text in front of the real one, for the processes of probes."""

    def put(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    return put


class TestTheProbes:
    def test_a_clip_is_judged_as_score_does(self, only, findings):
        only("judging")
        found = findings()["judging"]
        assert (found.state, found.remedy) == ("ok", "")
        assert found.said.startswith("a clip of the demo was judged by avsync-temporal-1 + avsync-voice-1")

    @pytest.mark.parametrize(
        ("name", "words"), [("PyAV", "FFmpeg's libavcodec"), ("torch", "computes on"), ("faces dlib", "can be used")]
    )
    def test_a_library_tells_its_version(self, only, findings, name, words):
        only(name)
        found = findings()[name]
        assert found.state == "ok"
        assert words in found.said

    def test_weights_are_counted_by_name(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path))
        probe.main("weights")
        assert json.loads(capsys.readouterr().out)["ok"].startswith(f"none in {tmp_path}")
        (tmp_path / "face_landmarker.task").write_bytes(b"?")
        probe.main("weights")
        assert json.loads(capsys.readouterr().out)["ok"].startswith(f"face_landmarker in {tmp_path}")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("raise ImportError('libcudart.so.12: cannot open')", "ImportError: libcudart.so.12: cannot open"),
            ("import os; os.abort()", "it ended with SIGABRT when it was used"),
            ("import os; os._exit(7)", "it ended with exit status 7 when it was used"),
            ("import time; time.sleep(60)", "no answer within 2 s"),
            ("print('nonsense', flush=True); import os; os._exit(0)", "it ended with exit status 0 when it was used"),
        ],
    )
    def test_a_broken_library_is_a_fault_with_a_remedy(self, only, findings, broken, monkeypatch, text, said):
        monkeypatch.setattr(diagnosis, "_PATIENCE", 2.0)
        only("torch")
        broken("torch", text)
        found = findings()["torch"]
        assert (found.state, found.said) == ("fault", said)
        assert found.remedy.startswith("install it again: pip install")

    def test_an_optional_library_is_a_note(self, only, findings, broken):
        only("faces mesh")
        broken("mediapipe", "raise ImportError('broken')")
        found = findings()["faces mesh"]
        assert found.state == "note"
        assert found.remedy == "only --faces mesh needs it"

    def test_every_face_detector_is_tried(self):
        assert set(probe.FACES) == set(FACE_DETECTORS)

    def test_where_no_process_can_be_started_it_says_so(self, only, findings, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        only("torch")
        assert findings()["torch"].said == "no process can be started (No such file or directory)"


class TestThisProcess:
    @pytest.fixture(autouse=True)
    def no_probes(self, only):
        only()

    def test_a_missing_package_is_a_fault_and_says_how_to_get_it(self, findings, monkeypatch):
        monkeypatch.setattr(diagnosis, "_requirements", lambda: ["numpy>=1.26", "nonesuch>=2; python_version > '3'"])
        found = findings()["nonesuch"]
        assert (found.state, found.remedy) == ("fault", "run: pip install 'nonesuch>=2'")

    def test_a_missing_extra_is_a_note_and_says_what_it_is_for(self, findings, monkeypatch):
        monkeypatch.setattr(diagnosis, "_requirements", lambda: ['nonesuch>=2; extra == "fan"', "numpy>=1"])
        found = findings()["extra fan"]
        assert (found.state, found.said) == ("note", "for --faces fan: without nonesuch")
        assert found.remedy == "if you want it, run: pip install 'avsync[fan]'"

    def test_every_extra_for_users_is_known(self):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(EXTRAS) == set(extras) - {"dev"}

    def test_what_is_not_installed_is_no_error(self, findings, monkeypatch):
        def nothing(name):
            raise PackageNotFoundError(name)

        monkeypatch.setattr(diagnosis, "version", nothing)
        monkeypatch.setattr(diagnosis, "distribution", nothing)
        assert findings()["avsync"].said.startswith("not installed, Python 3.")
        assert findings()["packages"].remedy == "run: pip install ."

    def test_a_temporary_folder_that_cannot_be_written_is_a_fault(self, findings, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
        found = findings()
        assert (found["temporary folder"].state, found["disk"].state) == ("fault", "note")
        assert found["temporary folder"].remedy == "set TMPDIR to a folder where you may write"

    @pytest.mark.parametrize(("free", "state"), [(None, "ok"), (8e9, "ok"), (1e9, "note")])
    def test_little_memory_is_a_note(self, findings, monkeypatch, free, state):
        monkeypatch.setattr(diagnosis, "_available_memory", lambda: free)
        assert findings()["memory"].state == state

    def test_a_full_disk_is_a_note(self, findings, monkeypatch):
        monkeypatch.setattr(diagnosis, "_LEAST_DISK", 1e18)
        assert findings()["disk"].remedy.startswith("make room")


class TestCommand:
    def test_when_all_works_the_status_is_0(self, only):
        only()
        result = run()
        assert result.stdout.endswith("\nAll good: avsync score works here.\n")
        assert result.exit_code == 0

    def test_a_fault_is_status_1_and_its_remedy_is_on_the_next_line(self, only, broken):
        only("torch")
        broken("torch", "raise ImportError('\\x1b[2Jbroken')")
        result = run()
        lines = result.stdout.splitlines()
        (at,) = (index for index, line in enumerate(lines) if line.startswith("fault"))
        assert lines[at].split(maxsplit=2)[1:] == ["torch", "ImportError: \\x1b[2Jbroken"]
        assert lines[at + 1].strip().startswith("-> install it again")
        assert lines[-1] == "Not yet: avsync score does not work here; see the faults above."
        assert result.exit_code == 1

    def test_it_works_where_hardly_anything_does(self, tmp_path):
        """Every library that avsync needs is broken but the one of the command line."""
        for name in ("numpy", "torch", "av", "dlib", "scipy", "skimage", "omegaconf", "safetensors", "PIL"):
            (tmp_path / f"{name}.py").write_text("raise ImportError('broken')")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        words = [sys.executable, "-m", "avsync", "doctor", "--json"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stderr) == (1, "")
        states = {finding["about"]: finding["state"] for finding in json.loads(done.stdout)["findings"]}
        assert {states[name] for name in ("torch", "PyAV", "faces dlib", "judging")} == {"fault"}

    def test_json_is_the_whole_output(self, only):
        only("weights")
        document = json.loads(run("--json").stdout)
        assert (document["schema"], document["works"]) == ("avsync.doctor/1", True)
        assert {"about", "state", "said", "remedy"} == set(document["findings"][0])
        assert "weights" in {finding["about"] for finding in document["findings"]}
