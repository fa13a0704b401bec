"""Speech models of the Hugging Face hub: found on this machine, fetched from a local server."""

import json
import os
import pty
import subprocess
import sys
import threading
import time
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avsync.cli.weights import weights_app
from avsync.errors import UsageError
from avsync.weights import ssl_folder

pytest.importorskip("huggingface_hub")


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """The folder of weights of this test, and no cache of the hub."""
    monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "weights"


def run(*words):
    return CliRunner().invoke(weights_app, [str(word) for word in words])


def model_folder(place, weights="model.safetensors"):
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / weights).write_bytes(b"weights")
    return place


def test_a_speech_model_is_found_by_folder_among_the_weights_and_in_the_cache_of_the_hub(tmp_path, weights):
    name, other = "facebook/hubert-base-ls960", "some/model"
    given = model_folder(tmp_path / "given", "pytorch_model.bin")
    assert ssl_folder(str(given)) == given
    cached = tmp_path / "hub" / "models--some--model"
    snapshot = model_folder(cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    assert ssl_folder(other) == snapshot
    pulled = model_folder(weights / name)
    assert ssl_folder(name) == pulled


def test_the_error_for_a_missing_speech_model_says_how_to_get_it(tmp_path):
    with pytest.raises(UsageError, match="run: avsync weights pull facebook/hubert-base-ls960"):
        ssl_folder("facebook/hubert-base-ls960")
    with pytest.raises(UsageError, match="hf download some/model"):
        ssl_folder("some/model")
    for source in (str(tmp_path), "hubert", "../../etc", ""):
        with pytest.raises(UsageError, match="no speech model"):
            ssl_folder(source)


def test_pull_needs_a_terminal_to_ask_on_or_yes():
    result = run("pull", "facebook/hubert-base-ls960")
    assert isinstance(result.exception, UsageError)
    assert "--yes" in str(result.exception)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("self_large_vox_433h", r"accept the licence at .*av_hubert/, download self_large_vox_433h.pt, .* convert"),
        ("AVH-Align_AV1M", r"accept the licence at https://github.com/bit-ml/AVH-Align"),
        ("some/model", r"read its licence, then fetch it yourself"),
    ],
)
def test_pull_fetches_only_models_that_may_be_fetched(name, complaint):
    result = run("pull", name, "--yes")
    assert isinstance(result.exception, UsageError)
    with pytest.raises(UsageError, match=complaint):
        raise result.exception


class Hub(BaseHTTPRequestHandler):
    """A local server in place of the hub, with one model, its files and their sizes."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        if "/tree/" in self.path:
            body = json.dumps([self.entry(name) for name in self.files])
        elif self.path.startswith("/api/"):
            body = json.dumps({"id": "x", "sha": "a" * 40, "siblings": [self.sibling(name) for name in self.files]})
        else:
            body = self.files[Path(self.path).name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{"c" * 40}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body.encode() if isinstance(body, str) else body)

    do_HEAD = do_GET  # noqa: N815

    def entry(self, name):
        return {"type": "file", "path": name, "size": len(self.files[name]), "oid": "b" * 40}

    def sibling(self, name):
        said = {"sha256": sha256(self.files[name]).hexdigest(), "size": 1, "pointerSize": 1}
        return {"rfilename": name, "size": len(self.files[name]), "blobId": "b" * 40, "lfs": said}

    def log_message(self, *words):
        pass


@pytest.fixture
def hub():
    """Serves `Hub` to a process that runs `avsync weights`, and returns the finished process."""
    Hub.asked, Hub.files = [], {"config.json": b"{}", "preprocessor_config.json": b"{}", "tf_model.h5": b"t"}
    Hub.files |= {"model.safetensors": b"s" * 5000, "pytorch_model.bin": b"b" * 6000}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield lambda *words, **changed: spawn(f"http://127.0.0.1:{server.server_port}", *words, **changed)
    server.shutdown()


def spawn(address, *words, before="", stdin=subprocess.DEVNULL):
    code = f"import sys\n{before}\nsys.argv[1:] = {['weights', *words]!r}\nfrom avsync.cli import main\nmain()"
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": address, "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
    options = {"env": environment, "capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([sys.executable, "-c", code], stdin=stdin, **options)


@pytest.mark.parametrize(("answer", "status", "fetched"), [("n", 1, False), ("y", 0, True)])
def test_pull_shows_the_licence_and_asks(answer, status, fetched, hub, weights):
    terminal, stdin = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    done = hub("pull", "microsoft/wavlm-large", stdin=stdin)
    assert done.returncode == status
    assert done.stdout.index("licence: CC BY-SA 3.0") < done.stdout.index("Fetch it under this licence?")
    assert (weights / "microsoft" / "wavlm-large").is_dir() is fetched


def test_pull_keeps_a_plain_folder_with_one_kind_of_weights(hub, weights):
    done = hub("pull", "microsoft/wavlm-large", "--yes")
    assert done.returncode == 0, done.stderr
    assert "size:    0 MB" in done.stdout
    assert "from:    https://huggingface.co/microsoft/wavlm-large" in done.stdout
    place = ssl_folder("microsoft/wavlm-large")
    assert place == weights / "microsoft" / "wavlm-large"
    assert {path.name for path in place.iterdir()} == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert (place / "model.safetensors").read_bytes() == Hub.files["model.safetensors"]
    assert [path.name for path in place.parent.iterdir()] == ["wavlm-large"]
    Hub.asked.clear()
    assert "already in" in hub("pull", "microsoft/wavlm-large", "--yes").stdout
    assert Hub.asked == []


def test_pull_takes_pickled_weights_only_without_others_and_only_with_the_known_hash(hub, weights):
    del Hub.files["model.safetensors"]
    assert hub("pull", "microsoft/wavlm-large", "--yes").returncode == 0
    assert (ssl_folder("microsoft/wavlm-large") / "pytorch_model.bin").exists()
    done = hub("pull", "facebook/hubert-base-ls960", "--yes")
    assert done.returncode == 2
    assert "unknown sha256" in done.stderr
    assert not list((weights / "facebook").iterdir())


def test_offline_gives_a_one_line_error_within_five_seconds(hub):
    for address, before in (
        ("http://127.0.0.1:9", ""),
        ("http://127.0.0.1:9", "import os; os.environ['HF_HUB_OFFLINE'] = '1'"),
    ):
        started = time.perf_counter()
        done = spawn(address, "pull", "facebook/wav2vec2-base", "--yes", before=before)
        assert time.perf_counter() - started < 5
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("avsync: facebook/wav2vec2-base: cannot be fetched (")


def test_a_hub_that_does_not_answer_times_out(hub, monkeypatch):
    monkeypatch.setattr(Hub, "do_GET", lambda self: time.sleep(20))
    started = time.perf_counter()
    patience = "from avsync.weights import hub; assert hub._PATIENCE <= 4; hub._PATIENCE = 1"
    done = hub("pull", "facebook/wav2vec2-base", "--yes", before=patience)
    assert time.perf_counter() - started < 4
    assert "cannot be fetched" in done.stderr
