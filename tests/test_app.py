"""avsync app: the server behind the page. Only its owner talks to it, and it leaves nothing behind."""

import asyncio
import csv
import http.client
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import sys
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import stand_in
from app_server import SCRIPTED, app
from typer.testing import CliRunner

from avsync.cli import command_line
from avsync.errors import AvsyncError

pytest.importorskip("starlette", reason="avsync app needs the extra app")
pytest.importorskip("uvicorn", reason="avsync app needs the extra app")

from avsync.app.guard import Door
from avsync.app.history import History
from avsync.app.queue import Queue
from avsync.app.uploads import Refused, Uploads

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and permissions of POSIX")
HOSTILE = [
    "<img src=x onerror=alert(1)>.mp4",
    "\"quoted\" 'name' & more.mp4",
    "two\nlines\r\nand\ttabs.mp4",
    "reversed \u202egpj.mp4",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0.mp4",
    "речь 語 🎬.mp4",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def running(folder):
    with app(folder, "--max-upload", "3", "--jobs", "2") as asking:
        yield asking


@pytest.fixture
def served(running, folder):
    """The running app, without recordings."""
    for item in running.items():
        running.ask("DELETE", f"items/{item['id']}")
    assert wait(lambda: not stored(folder))
    return running


def stored(folder):
    """The recordings that lie in the private folder of the app."""
    return sorted(path for path in folder.glob("avsync-app-*/*") if path.name != "in-use")


def wait(condition):
    deadline = time.monotonic() + 10
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def run(*words):
    return CliRunner().invoke(command_line, ["app", "--no-browser", *map(str, words)])


class TestStart:
    def test_it_prints_one_line_with_the_address(self, running):
        assert len(running.said) == 1
        assert running.address.startswith(f"http://127.0.0.1:{running.port}/?key=")

    def test_only_this_computer_reaches_it(self, running):
        listening = [c.laddr for c in psutil.Process(running.process.pid).net_connections() if c.status == "LISTEN"]
        assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", running.port)]

    def test_a_port_that_is_taken_is_replaced_and_it_says_so(self, running, tmp_path):
        with app(tmp_path, "--port", running.port) as other:
            assert other.said[0] == f"port {running.port} is taken: the page has port {other.port}\n"
            assert other.port != running.port

    def test_the_network_is_opened_only_on_request_with_a_warning(self, tmp_path):
        with app(tmp_path, "--host", "0.0.0.0") as other:
            assert other.said[0].startswith("warning: --host 0.0.0.0: other computers reach the page")

    @posix
    def test_the_browser_gets_a_key_that_works_once(self, tmp_path):
        note = tmp_path / "note"
        opens = f"{sys.executable} -c 'import sys; open({str(note)!r}, \"w\").write(sys.argv[1])' %s".replace(
            f"{str(note)!r}", f'"{note}"'
        )
        with app(tmp_path, "--browser", BROWSER=opens) as asking:
            assert wait(lambda: note.exists() and note.read_text())
            path = note.read_text().partition(asking.host)[2]
            assert path not in asking.address
            assert [asking.ask("GET", path, Cookie=None).status for _ in range(2)] == [200, 403]

    def test_wrong_options_end_it_with_one_line(self, monkeypatch):
        monkeypatch.setattr("avsync.isolation.detector.FACTORY", "stand_in:Refusing")
        result = run()
        assert "weights: not these" in str(result.exception)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--host", "192.0.2.1"), "--host 192.0.2.1 --port 8571: cannot listen there"),
            (("--host", "no such host"), "--host no such host --port 8571: cannot listen there"),
            (("--keep", "missing/history.sqlite"), "--keep missing/history.sqlite: cannot be used as a history"),
        ],
    )
    def test_what_cannot_be_used_is_said(self, words, said, monkeypatch):
        monkeypatch.setattr("avsync.isolation.detector.FACTORY", SCRIPTED)
        assert said in str(run(*words).exception)

    def test_without_the_extra_it_says_how_to_get_it(self, monkeypatch):
        monkeypatch.setattr("avsync.isolation.detector.FACTORY", SCRIPTED)
        monkeypatch.delitem(sys.modules, "avsync.app.serve", raising=False)
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        assert str(run().exception) == "the page needs the package 'uvicorn': pip install 'avsync[app]'"


@posix
class TestEnd:
    @pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "the button on the page"])
    def test_files_and_workers_are_gone_even_if_one_is_judged(self, how, tmp_path):
        if how == "SIGHUP" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            pytest.skip("under nohup, the app ignores SIGHUP too")
        with app(tmp_path) as asking:
            asking.upload(b"hang")
            asking.upload(b"waits")
            assert wait(lambda: asking.items()[0]["state"] == "working")
            workers = psutil.Process(asking.process.pid).children(recursive=True)
            assert workers
            if how.startswith("SIG"):
                asking.process.send_signal(getattr(signal, how))
            else:
                assert asking.ask("POST", "quit").status == 204
            assert asking.process.wait(60) == 0
            assert list(tmp_path.iterdir()) == []
            assert psutil.wait_procs(workers, timeout=5)[1] == []
            assert asking.process.stderr.read() == ""

    def test_an_upload_under_way_does_not_keep_it(self, tmp_path):
        with app(tmp_path) as asking, socket.create_connection(("127.0.0.1", asking.port)) as connection:
            connection.sendall(_head(asking, "Content-Length: 1000000") + b"x" * 1000)
            assert wait(lambda: stored(tmp_path))
            asking.process.terminate()
            assert asking.process.wait(60) == 0
            assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_one_left_behind_is_deleted_by_the_next(self, tmp_path):
        with app(tmp_path) as first, app(tmp_path) as second:
            first.upload(b"left behind")
            second.upload(b"in use")
            first.process.kill()
            first.process.wait()
            assert len(stored(tmp_path)) == 2
            with app(tmp_path):
                assert [path.read_bytes() for path in stored(tmp_path)] == [b"in use"]


class TestStrangers:
    """Other users of this computer, and pages of other sites in the owner's browser."""

    @pytest.mark.parametrize("path", ["/", "", "items", "report.json", "/items", "/?key=", "/?key=wrong", "/no"])
    def test_without_the_key_there_is_nothing(self, running, path):
        for cookie in (None, "avsync=wrong", "avsync=é", "=;,"):
            answer = running.ask("GET", path, Cookie=cookie)
            assert answer.status == 403
            assert "set-cookie" not in answer.headers
            assert b"locked" in answer.content

    def test_the_key_becomes_a_cookie_that_no_script_reads_and_no_other_site_uses(self, running):
        header = running.ask("GET", running.address.partition(running.host)[2], Cookie=None).headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", f"Path={running.home}"} <= set(header.split("; "))
        assert running.address.rpartition("=")[2] not in header

    def test_the_cookie_without_the_path_that_goes_with_it_is_not_enough(self, running):
        assert running.ask("GET", "/items").status == 403
        assert running.ask("GET", "/wrong/items").status == 403

    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "192.168.1.7", "[", ""]
    )
    def test_another_name_for_this_computer_is_refused(self, running, host):
        assert running.ask("GET", "items", Host=host.format(port=running.port)).status == 421

    @pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}"])
    def test_its_own_names_are_answered(self, running, host):
        assert running.ask("GET", "items", Host=host.format(port=running.port)).status == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": None},
            {"Origin": "null"},
            {"Origin": "http://evil.example"},
            {"Origin": "http://127.0.0.1:1"},
            {"Origin": "https://{host}"},
            {"Origin": "http://{host}", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "http://{host}", "Sec-Fetch-Site": "same-site"},
        ],
        ids=str,
    )
    def test_a_page_of_another_site_or_port_changes_nothing(self, served, headers):
        given = {name: value and value.format(host=served.host) for name, value in headers.items()}
        before = served.upload(b"mine").data["id"]
        for method, path in (("POST", "items?name=theirs"), ("DELETE", f"items/{before}"), ("POST", "quit")):
            assert served.ask(method, path, b"x", **given).status == 403
        assert [item["id"] for item in served.items()] == [before]

    def test_every_answer_binds_the_browser(self, served):
        id_ = served.upload(b"one").data["id"]
        served.judged()
        paths = [
            "",
            "/app.js",
            "items",
            f"items/{id_}/report",
            f"/media/{id_}",
            "report.html",
            "missing",
            "/?key=x",
        ]
        for path in paths:
            headers = served.ask("GET", path).headers
            assert headers["cache-control"] == "no-store", path
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["referrer-policy"] == "same-origin", path
            policy = headers["content-security-policy"]
            assert ("sandbox allow-scripts" if path.endswith("report") else "default-src 'none'") in policy, path
            assert "unsafe" not in policy, path

    def test_a_recording_is_found_only_by_its_address(self, served):
        id_ = served.upload(b"secret").data["id"]
        assert served.ask("GET", f"/media/{id_}", Cookie=None).content == b"secret"
        assert served.ask("GET", "/media/1", Cookie=None).status == 404
        assert served.ask("GET", "/media/../app.css", Cookie=None).status in (403, 404)

    def test_the_pages_own_parts_load_nothing_from_elsewhere(self, running):
        for path in ("", "/app.css", "/app.js", "/icon.svg"):
            text = running.ask("GET", path).content.decode().replace("http://www.w3.org/2000/svg", "")
            assert "//" not in text.replace("// ", "").replace("http:// ", ""), path

    def test_a_server_for_the_network_answers_to_numbers_and_its_own_name(self):
        door = Door("0.0.0.0")
        assert door.answers_to("192.168.1.7:8571")
        assert door.answers_to(f"{socket.gethostname()}:8571")
        assert not door.answers_to("evil.example:8571")


class TestUploads:
    def test_a_file_lies_in_a_private_folder_under_a_name_of_ours(self, served, folder):
        served.upload(b"content", "mine.mp4")
        (path,) = stored(folder)
        assert path.read_bytes() == b"content"
        assert "mine" not in path.name
        if os.name == "posix":
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_three_gigabytes_are_refused_before_they_are_sent(self, served, folder):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(_head(served, "Content-Length: 3000000000"))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            said = json.loads(answer.read())
        assert answer.status == 413
        assert said == {"error": "The file is larger than 3 MB. avsync app --max-upload allows more."}
        assert stored(folder) == []

    def test_a_body_without_a_length_is_refused_when_it_becomes_too_large(self, served, folder):
        most = 0

        def body():
            nonlocal most
            for _ in range(500):
                most = max([most, *(path.stat().st_size for path in stored(folder))])
                yield b"x" * 100_000

        answer = served.upload(body(), Transfer_Encoding="chunked")
        assert (answer.status, stored(folder), served.items()) == (413, [], [])
        assert 0 < most <= 3_000_000

    def test_the_limit_itself_is_taken(self, served, folder):
        assert served.upload(b"x" * 3_000_000).status == 201
        assert served.upload(b"x" * 3_000_001).status == 413

    def test_an_empty_file_is_refused(self, served, folder):
        answer = served.upload(b"")
        assert (answer.status, answer.data) == (422, {"error": "The file is empty."})
        assert stored(folder) == []

    def test_an_upload_that_breaks_off_leaves_nothing(self, served, folder):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(_head(served, "Content-Length: 1000000") + b"x" * 1000)
            assert wait(lambda: stored(folder))
        assert wait(lambda: not stored(folder))
        assert served.items() == []

    @pytest.mark.parametrize("announced", [0, 1_000_000])
    def test_a_full_disk_is_a_sentence_and_nothing_stays(self, tmp_path, monkeypatch, announced):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 200_000_000))

        async def body():
            yield b"x" * 1_000_000

        with pytest.raises(Refused, match="too little free space") as refused:
            asyncio.run(Uploads(tmp_path, 10_000_000).save(body(), announced))
        assert refused.value.status == 507
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(sys.platform != "linux", reason="measures memory")
    def test_a_large_file_does_not_fill_the_memory(self, tmp_path):
        with app(tmp_path) as asking:
            process = psutil.Process(asking.process.pid)
            before, most = process.memory_info().rss, 0

            def body():
                nonlocal most
                for _ in range(200):
                    most = max(most, process.memory_info().rss)
                    yield b"x" * 1_000_000

            assert asking.upload(body(), Content_Length="200000000").status == 201
            assert most - before < 50_000_000


class TestQueue:
    def test_the_stages_are_told_as_they_come(self, served):
        served.upload(b"stages 0.6")
        seen = []

        def done():
            (item,) = served.items()
            seen.extend([item["stage"]] if item["state"] == "working" and item["stage"] not in seen else [])
            return item if item["state"] == "done" else None

        assert wait(done)["sentence"].startswith("face 0 (0.2–7.9 s): nothing unusual in lips and face")
        assert seen == ["opening", "speech", "faces", "voice", "drawing"]

    def test_two_are_judged_side_by_side_and_the_third_waits(self, served):
        for name in ("a.mp4", "b.mp4", "c.mp4"):
            served.upload(b"hang", name)
        assert wait(lambda: [item["state"] for item in served.items()] == ["working", "working", "waiting"])

    @pytest.mark.parametrize("which", ["working", "waiting", "done"])
    def test_a_removed_recording_is_gone_and_the_others_are_judged(self, served, folder, which):
        served.upload(b"judged", "done.mp4")
        served.judged("done.mp4")
        for name in ("working.mp4", "also.mp4", "waiting.mp4"):
            served.upload(b"stages 0.5", name)
        wait(lambda: [item["state"] for item in served.items()] == ["done", "working", "working", "waiting"])
        (item,) = [item for item in served.items() if item["name"] == f"{which}.mp4"]
        assert served.ask("DELETE", f"items/{item['id']}").status == 204
        assert item["id"] not in [other["id"] for other in served.items()]
        assert wait(lambda: item["id"] not in [path.name for path in stored(folder)])
        assert served.ask("GET", f"/media/{item['id']}").status == 404
        assert len(served.judged()) == 3
        assert len(stored(folder)) == 3

    def test_a_file_that_crashes_its_worker_costs_only_itself(self, served):
        served.upload(b"abort", "bad.mp4")
        served.upload(b"dubbed", "good.mp4")
        found = served.judged("bad.mp4", "good.mp4")
        assert found["bad.mp4"]["verdict"] == "cannot_judge"
        assert "crashed" in found["bad.mp4"]["sentence"]
        assert found["good.mp4"]["verdict"] == "suspicious"

    def test_what_has_not_changed_is_not_sent_again(self, served):
        served.upload(b"one")
        served.judged()
        version = json.loads(served.ask("GET", "items").content)["version"]
        assert served.ask("GET", f"items?seen={version}").status == 204
        served.upload(b"two")
        assert served.ask("GET", f"items?seen={version}").status == 200

    def test_what_is_not_there_cannot_be_removed(self, served):
        assert served.ask("DELETE", "items/none").status == 404


class TestFailures:
    """What goes wrong around a file, in this process with a detector that fails."""

    def failed(self, tmp_path, error, history=None):
        """A recording in a queue whose detector raises an error, or whose history cannot be written; and the queue."""

        class Failing:
            def score_all(self, paths, *, keep, on_progress):
                if error is not None:
                    raise error
                yield from (stand_in.Detector().score(Path(path)) for path in paths)

        path = tmp_path / "file"
        path.write_bytes(b"?")
        queue = Queue(Failing(), history=history)
        if history is not None:
            history.close()  # stands for a full disk
        item = queue.add(path, "clip.mp4")
        assert wait(lambda: item.state in ("done", "failed"))
        return item, queue

    def test_an_error_that_avsync_explains_is_shown(self, tmp_path):
        item, queue = self.failed(tmp_path, AvsyncError("the model was not loaded"))
        assert (item.state, item.told()["error"], queue.reports) == ("failed", "the model was not loaded", [])

    def test_another_error_is_reported_without_personal_data(self, tmp_path):
        item, queue = self.failed(tmp_path, ValueError("secret"))
        assert (item.state, item.told()["error"]) == ("failed", "an error in avsync")
        assert "ValueError" in queue.reports[0]
        assert "secret" not in queue.reports[0]

    def test_a_verdict_that_cannot_be_kept_is_shown_with_the_reason(self, tmp_path):
        item, queue = self.failed(tmp_path, None, History(tmp_path / "history.sqlite"))
        assert wait(lambda: item.error)
        assert (item.state, item.error) == ("done", "the verdict is not kept: Cannot operate on a closed database.")
        assert len(queue.verdicts()) == 1


class TestReports:
    def test_the_report_runs_in_a_world_of_its_own_and_plays_the_recording(self, served):
        id_ = served.upload(b"dubbed", "clip.mp4").data["id"]
        served.judged()
        answer = served.ask("GET", f"items/{id_}/report")
        assert answer.headers["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
        assert b"Content-Security-Policy" in answer.content
        assert f"/media/{id_}".encode() in answer.content

    def test_the_player_gets_the_part_it_asks_for(self, served):
        id_ = served.upload(b"0123456789", "clip.mp4").data["id"]
        answer = served.ask("GET", f"/media/{id_}", Range="bytes=2-4")
        assert (answer.status, answer.content) == (206, b"234")
        assert answer.headers["content-type"] == "video/mp4"

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_recording_that_is_removed_while_it_is_asked_for_is_no_error(self, tmp_path, when):
        # The server has found the recording, and it is gone before or after the server has looked at the file.
        patch = f"""
import os
from avsync.app import server
call = server.FileResponse.__call__
async def late(self, scope, receive, send):
    async def sent(message):
        if {when == "after"}:
            os.unlink(self.path)
        await send(message)
    if {when == "before"}:
        os.unlink(self.path)
    await call(self, scope, receive, sent)
server.FileResponse.__call__ = late
"""
        with app(tmp_path, patch=patch) as asking:
            id_ = asking.upload(b"content").data["id"]
            asking.judged()
            with pytest.raises((AssertionError, http.client.HTTPException)):
                assert asking.ask("GET", f"/media/{id_}").status == 200
            asking.ask("POST", "quit")
            assert asking.process.wait(60) == 0
            assert asking.process.stderr.read() == ""

    def test_a_recording_is_never_served_as_a_page(self, served):
        for name in ("page.html", "page.svg", "page"):
            id_ = served.upload(b"<script>alert(1)</script>", name).data["id"]
            assert served.ask("GET", f"/media/{id_}").headers["content-type"] == "application/octet-stream"

    def test_one_or_all_are_saved_as_html_json_and_csv(self, served, folder):
        one = served.upload(b"dubbed", "one.mp4").data["id"]
        served.judged()
        served.upload(b"fine", "two.mp4")
        served.judged("two.mp4")
        for start, names in ((f"items/{one}/", ["one.mp4"]), ("", ["one.mp4", "two.mp4"])):
            saved = {kind: served.ask("GET", f"{start}report.{kind}") for kind in ("html", "json", "csv")}
            assert all(answer.headers["content-disposition"].startswith("attachment") for answer in saved.values())
            document = json.loads(saved["json"].content)
            assert [verdict["path"] for verdict in document["verdicts"]] == names
            rows = csv.DictReader(io.StringIO(saved["csv"].content.decode()))
            assert [row["path"] for row in rows] == names
            page = saved["html"].content.decode()
            assert all(name in page for name in names)
            assert "/media/" not in page
            assert not [answer for answer in saved.values() if str(folder).encode() in answer.content]

    @pytest.mark.parametrize(
        "path", ["items/none/report", "items/none/report.json", "report.exe", "items/none/picture"]
    )
    def test_what_is_not_there_is_not_found(self, running, path):
        assert running.ask("GET", path).status == 404

    def test_before_the_verdict_there_is_no_report(self, served):
        id_ = served.upload(b"hang").data["id"]
        assert served.ask("GET", f"items/{id_}/report").status == 404


class TestNames:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_the_name_of_a_stranger_is_text(self, served, name):
        id_ = served.upload(b"dubbed", name).data["id"]
        ((shown, item),) = served.judged().items()
        assert shown.isprintable()
        assert len(shown) <= 255
        page = served.ask("GET", f"items/{id_}/report").content.decode()
        assert "<img src=x" not in page
        assert "\u202e" not in page + item["name"]
        for kind in ("html", "json", "csv"):
            answer = served.ask("GET", f"items/{id_}/report.{kind}")
            header = answer.headers["content-disposition"]
            assert header.isascii()
            assert not set('\r\n<>"/\\') & set(header)

    def test_a_name_that_is_too_long_is_cut_and_one_that_is_missing_replaced(self, served):
        served.upload(b"a", "x" * 1000)
        served.ask("POST", "items", b"b")
        assert sorted(served.judged()) == ["recording", "x" * 255]


class TestHistory:
    def test_without_keep_nothing_is_kept(self, tmp_path):
        for _ in range(2):
            with app(tmp_path) as asking:
                assert asking.items() == []
                asking.upload(b"one")
                asking.judged()
        assert wait(lambda: not list(tmp_path.iterdir()))

    def test_with_keep_verdicts_stay_and_recordings_do_not(self, tmp_path):
        path = tmp_path / "history.sqlite"
        with app(tmp_path, "--keep", path) as asking:
            asking.upload(b"dubbed", "first.mp4")
            asking.upload(b"fine", "second.mp4")
            before = asking.judged("first.mp4", "second.mp4")
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with app(tmp_path, "--keep", path) as asking:
            after = {item["name"]: item for item in asking.items()}
            assert {name: item["sentence"] for name, item in after.items()} == {
                name: item["sentence"] for name, item in before.items()
            }
            assert after["first.mp4"]["finished"] == before["first.mp4"]["finished"]
            id_ = after["first.mp4"]["id"]
            report = asking.ask("GET", f"items/{id_}/report")
            assert b"first.mp4" in report.content
            assert b"/media/" not in report.content
            assert asking.ask("GET", f"/media/{id_}").status == 404
            assert asking.ask("DELETE", f"items/{id_}").status == 204
        with app(tmp_path, "--keep", path) as asking:
            assert [item["name"] for item in asking.items()] == ["second.mp4"]
        assert b"first.mp4" not in path.read_bytes()

    def test_what_is_removed_while_it_is_judged_is_not_kept(self, tmp_path):
        path = tmp_path / "history.sqlite"
        with app(tmp_path, "--keep", path) as asking:
            id_ = asking.upload(b"stages 0.1").data["id"]
            asking.ask("DELETE", f"items/{id_}")
            time.sleep(0.7)
        with closing(sqlite3.connect(path)) as base:
            assert base.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)

    def test_verdicts_of_another_version_are_not_shown_but_stay(self, tmp_path):
        path = tmp_path / "history.sqlite"
        with app(tmp_path, "--keep", path):
            pass
        with closing(sqlite3.connect(path)) as base, base:
            for id_, text in enumerate(['{"schema": "avsync.verdict/9"}', "no JSON"]):
                base.execute("INSERT INTO verdicts VALUES (?, 'old.mp4', 1.0, ?)", (str(id_), text))
        with app(tmp_path, "--keep", path) as asking:
            assert asking.items() == []
        with closing(sqlite3.connect(path)) as base:
            assert base.execute("SELECT count(*) FROM verdicts").fetchone() == (2,)

    @pytest.mark.parametrize("what", ["text", "another database", "folder"])
    def test_another_file_is_refused_and_stays_as_it_is(self, tmp_path, monkeypatch, what):
        monkeypatch.setattr("avsync.isolation.detector.FACTORY", SCRIPTED)
        path = tmp_path / "precious"
        if what == "text":
            path.write_text("my notes\n" * 100)
        elif what == "folder":
            path.mkdir()
        else:
            with closing(sqlite3.connect(path)) as base, base:
                base.execute("CREATE TABLE mine (x)")
        before = path.read_bytes() if path.is_file() else None
        result = run("--keep", path)
        assert result.exit_code != 0
        assert (path.read_bytes() if path.is_file() else None) == before


def test_an_error_in_the_server_is_told_at_the_end_by_a_report_without_personal_data(tmp_path):
    with app(
        tmp_path, patch="from avsync.app.queue import Queue; Queue.verdicts = lambda self: int('secret')"
    ) as asking:
        answer = asking.ask("GET", "report.json")
        assert (answer.status, json.loads(answer.content)) == (500, {"error": "There was an error in avsync."})
        assert asking.items() == []
        asking.ask("POST", "quit")
        assert asking.process.wait(10) == 3
        said = asking.process.stderr.read()
    (note,) = tmp_path.glob("avsync-error-*.txt")
    assert said == f"avsync: internal error; please report it with {note}, which names neither you nor your files\n"
    assert "ValueError" in note.read_text()
    assert "secret" not in note.read_text()


def _head(asking, length):
    lines = [
        f"POST {asking.home}items?name=x HTTP/1.1",
        f"Host: {asking.host}",
        f"Origin: http://{asking.host}",
        f"Cookie: {asking.cookie}",
    ]
    return "\r\n".join([*lines, length, "", ""]).encode()
