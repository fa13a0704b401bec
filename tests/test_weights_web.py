"""Weights that are one file of the web: fetched from a local server, and used only with the known hash."""

import threading
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from avsync.cli.weights import weights_app
from avsync.errors import UsageError
from avsync.weights import web
from avsync.weights.catalogue import KNOWN, WEB

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 200


class Server(BaseHTTPRequestHandler):
    """Sends `content`, and says that it has `length` bytes."""

    content: bytes
    length: int
    asked: int

    def do_GET(self):
        type(self).asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *words):
        pass


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("AVSYNC_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def server(weights, monkeypatch):
    """A local server in place of that of the face landmarker."""
    Server.content, Server.length, Server.asked = CONTENT, len(CONTENT), 0
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{running.server_port}/a/face_landmarker.task"
    known = replace(KNOWN["face_landmarker"], url=address, size=len(CONTENT), sha256=sha256(CONTENT).hexdigest())
    monkeypatch.setitem(KNOWN, "face_landmarker", known)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield running
    running.shutdown()


def pull(*words):
    return CliRunner().invoke(weights_app, ["pull", "face_landmarker", *words])


def test_every_file_of_the_web_has_a_hash_a_size_a_licence_and_a_secure_address():
    known = [known for known in KNOWN.values() if known.kind == WEB]
    assert {found.name for found in known} == {
        *("face_landmarker", "2DFAN4", "s3fd"),
        *("resnet18", "efficientnet_b0", "efficientnet_b4"),
    }
    for found in known:
        assert len(found.sha256) == 64
        assert found.size > 0
        assert found.licence
        assert found.url.startswith("https://")
        files = (
            *("face_landmarker.task", "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth", "resnet18-f37072fd.pth"),
            *("efficientnet_b0_rwightman-7f5810bc.pth", "efficientnet_b4_rwightman-23ab8bcd.pth"),
        )
        assert found.file in files


def test_pull_shows_the_licence_and_keeps_the_file(server, weights):
    done = pull("--yes")
    assert done.exit_code == 0, done.exception
    assert "licence: Apache-2.0" in done.stdout
    assert "from:    https://ai.google.dev/" in done.stdout
    assert [path.name for path in weights.iterdir()] == ["face_landmarker.task"]
    assert web.published_file("face_landmarker").read_bytes() == CONTENT
    assert "already in" in pull("--yes").stdout
    assert Server.asked == 1


def test_pull_asks_first(server, weights):
    done = pull()
    assert isinstance(done.exception, UsageError)
    assert "--yes" in str(done.exception)
    assert Server.asked == 0


def test_another_content_is_not_kept(server, weights):
    Server.content = CONTENT[:-1] + b"x"
    with pytest.raises(UsageError, match=r"has an unknown sha256, [0-9a-f]{64}; nothing was kept"):
        raise pull("--yes").exception
    assert not list(weights.iterdir())


def test_more_than_the_file_can_have_is_not_read(server, weights, monkeypatch):
    monkeypatch.setattr(web, "_MARGIN", 10)
    monkeypatch.setattr(web, "_PIECE", 1000)
    Server.content += bytes(2000)
    Server.length = 1 << 40
    with pytest.raises(UsageError, match="is larger than the published file; nothing was kept"):
        raise pull("--yes").exception
    assert not list(weights.iterdir())


def test_a_connection_that_breaks_leaves_nothing(server, weights):
    Server.length = len(CONTENT) + 100
    with pytest.raises(UsageError, match="face_landmarker: cannot be fetched"):
        raise pull("--yes").exception
    assert not list(weights.iterdir())


def test_without_a_network_the_error_says_what_to_copy_where(server, weights):
    server.server_close()
    server.shutdown()
    with pytest.raises(UsageError, match=r"cannot be fetched \(.*\); .* or copy http\S+face_landmarker.task to /"):
        raise pull("--yes").exception


def test_list_shows_which_files_are_here(server, weights):
    def row():
        lines = CliRunner().invoke(weights_app, ["list"]).stdout.splitlines()
        return next(line for line in lines if line.split()[:1] == ["face_landmarker"])

    assert "yes" not in row()
    pull("--yes")
    assert "yes" in row()
    assert "pull" in row()


def test_a_file_with_another_content_is_refused_where_it_is_used(server, weights):
    pull("--yes")
    (weights / "face_landmarker.task").write_bytes(CONTENT[:100])
    with pytest.raises(UsageError, match="not the published file, its sha256 is another; delete it, then run: avsync"):
        web.published_file("face_landmarker")


def test_a_file_is_found_in_other_folders_too(server, weights, tmp_path):
    (tmp_path / "face_landmarker.task").write_bytes(CONTENT)
    with pytest.raises(UsageError, match="not on this machine; run: avsync weights pull face_landmarker"):
        web.published_file("face_landmarker")
    assert web.published_file("face_landmarker", [tmp_path]) == tmp_path / "face_landmarker.task"
