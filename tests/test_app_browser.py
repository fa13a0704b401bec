"""The page of avsync app in a real browser: what a person sees and does there."""

import http.server
import os
import threading

import pytest
import talking
from app_server import REAL, app
from browser import chromium, violations

from avsync.text import printable

pytest.importorskip("starlette", reason="avsync app needs the extra app")
pytest.importorskip("uvicorn", reason="avsync app needs the extra app")

SECOND = 1000  # Playwright counts milliseconds
HOSTILE = "<img src=x onerror=alert(1)>\u202e'\"&.mp4"
# Drops files on the page as a hand does.
DROP = """(names) => {
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File(["fine"], name));
  const event = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const name of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(name, event));
}"""


@pytest.fixture(scope="module")
def open_page():
    with chromium() as open_page:
        yield open_page


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with app(tmp_path_factory.mktemp("temporary"), "--jobs", "2") as asking:
        yield asking


@pytest.fixture
def opened(open_page, running):
    """The page of the running app, without recordings; it must do nothing wrong until the end of the test."""
    for item in running.items():
        running.ask("DELETE", f"items/{item['id']}")
    opened = open_page(running.address)
    opened.page.set_default_timeout(10 * SECOND)
    ready(opened.page, running)
    yield opened
    assert opened.errors == []
    assert [address for address in opened.requests if not address.startswith(f"http://{running.host}/")] == []
    opened.page.close()


def ready(page, running):
    """Wait until the page has come from its first address to its own, and shows what it knows."""
    page.wait_for_url(f"http://{running.host}{running.home}")
    page.wait_for_selector("#limit:not(:empty)", state="attached")


@pytest.fixture
def page(opened):
    return opened.page


def choose(page, *files):
    """Choose files, each a name and what it says."""
    kinds = [{"name": name, "mimeType": "video/mp4", "buffer": said.encode()} for name, said in files]
    page.set_input_files("#files", kinds)


def rows(page):
    return page.locator("#queue .name").all_text_contents()


def cards(page, count):
    """Wait for so many results, and return their names, newest first."""
    page.wait_for_function("(count) => document.querySelectorAll('.result').length === count", arg=count)
    return page.locator(".result .name").all_text_contents()


def focused(page):
    return page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
    )


STAGES = [
    "opening the file",
    "listening for speech",
    "following faces",
    "listening to the voice",
    "drawing the report",
]


class TestOneRealRecording:
    """From the file to the report, with the models that ship."""

    def test_it_is_judged_step_by_step_and_its_report_plays(self, open_page, tmp_path):
        clip = talking.write(tmp_path / "talk.mp4", talking.face(), talking.voice())
        (tmp_path / "notes.txt").write_text("These are only words. " * 1000)
        (tmp_path / "temporary").mkdir()
        with app(tmp_path / "temporary", factory=REAL) as asking:
            opened = open_page(asking.address)
            page = opened.page
            page.set_default_timeout(60 * SECOND)
            ready(page, asking)
            assert violations(page) == []
            page.evaluate(_WATCH_STATUS)
            page.set_input_files("#files", [clip, tmp_path / "notes.txt"])
            assert set(cards(page, 2)) == {"talk.mp4", "notes.txt"}

            # A short clip may be through a stage between two looks; all of them are shown in the test of stages below.
            assert set(STAGES) & {line.partition(",")[0] for line in page.evaluate("window.said")}
            notes = page.locator(".result", has_text="notes.txt")
            assert "cannot judge" in notes.inner_text().lower()
            assert "not a readable media file" in notes.inner_text()
            talk = page.locator(".result", has_text="talk.mp4")
            assert "Face 0" in talk.inner_text()
            assert talk.locator(".picture").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0

            talk.get_by_role("button", name="Show the report").click()
            frame = talk.locator("iframe").element_handle().content_frame()
            frame.wait_for_selector("text=Technical details", state="attached")
            assert frame.evaluate(_SEEK) == pytest.approx(1.0)
            assert frame.evaluate(_REACH) == ["blocked", "blocked"]
            assert [line for line in opened.errors if "Blocked" not in line and "violates" not in line] == []
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert violations(page) == []
            outside = [address for address in opened.requests if not address.startswith(f"http://{asking.host}/")]
            assert outside == []


class TestChoosing:
    def test_dropped_files_are_judged(self, page):
        page.evaluate(DROP, ["a.mp4", "b.mp4"])
        assert set(cards(page, 2)) == {"a.mp4", "b.mp4"}

    def test_a_file_that_is_too_large_is_refused_with_a_sentence_and_not_sent(self, opened, tmp_path):
        large = tmp_path / "large.mp4"
        large.touch()
        os.truncate(large, 3_000_000_000)
        opened.page.set_input_files("#files", large)
        notice = opened.page.get_by_role("alert")
        assert "large.mp4 was not taken: it has 3,000 MB, and a file may have up to 2,000 MB." in notice.inner_text()
        assert rows(opened.page) == []
        assert violations(opened.page) == []
        assert not [address for address in opened.requests if "name=" in address]
        opened.page.get_by_role("button", name="Close").click()
        assert notice.inner_text() == ""

    def test_what_the_server_refuses_is_told_in_its_words(self, opened):
        choose(opened.page, ("empty.mp4", ""))
        opened.page.wait_for_selector(".notice")
        assert opened.page.locator(".notice span").inner_text() == "empty.mp4 was not taken. The file is empty."
        assert rows(opened.page) == []
        opened.errors.clear()  # the browser writes each refusal to the console

    def test_the_name_of_a_stranger_is_text(self, page):
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        choose(page, (HOSTILE, "stages 0.2"))
        page.wait_for_selector("#queue .row")
        assert cards(page, 1) == [printable(HOSTILE)]
        assert page.locator(".result img:not(.picture)").count() == 0
        page.get_by_role("button", name="Show the report").click()
        frame = page.frame_locator("iframe")
        frame.locator("text=Technical details").wait_for(state="attached")
        assert printable(HOSTILE) in frame.locator("body").inner_text()
        assert page.locator("iframe").get_attribute("title") == f"Report on {printable(HOSTILE)}"


class TestWorking:
    def test_each_stage_is_told_in_plain_words(self, page):
        page.evaluate(_WATCH_STATUS)
        choose(page, ("clip.mp4", "stages 1"))
        cards(page, 1)
        said = dict.fromkeys(line.partition(",")[0] for line in page.evaluate("window.said"))
        assert [words for words in said if words not in ("", "waiting", "copying", "waiting to be copied")] == STAGES

    def test_two_at_once_survive_a_reload_and_a_second_window(self, page, open_page, running):
        choose(page, ("one.mp4", "stages 1.5"), ("two.mp4", "stages 1.5"))
        page.locator(".status", has_text="following faces").first.wait_for()
        page.reload()
        page.wait_for_selector(".row")
        assert set(rows(page)) == {"one.mp4", "two.mp4"}
        other = open_page(running.address).page
        assert set(cards(page, 2)) == {"one.mp4", "two.mp4"} == set(cards(other, 2))
        other.close()

    def test_the_page_has_no_violations_while_it_works(self, page):
        choose(page, ("works.mp4", "hang"), ("waits.mp4", "stages 5"))
        page.wait_for_selector("progress:not([value])")
        assert violations(page) == []

    def test_a_cancelled_recording_is_gone_and_the_other_is_judged(self, page):
        choose(page, ("bad.mp4", "hang"), ("good.mp4", "stages 0.2"))
        page.wait_for_selector("text=opening the file")
        page.get_by_role("button", name="Cancel bad.mp4").click()
        assert cards(page, 1) == ["good.mp4"]
        assert rows(page) == []

    def test_a_removed_result_is_gone(self, page, running):
        choose(page, ("a.mp4", "fine"), ("b.mp4", "dubbed"))
        cards(page, 2)
        page.get_by_role("button", name="Remove a.mp4").click()
        assert cards(page, 1) == ["b.mp4"]
        assert [item["name"] for item in running.items()] == ["b.mp4"]

    def test_a_report_opens_in_a_tab_of_its_own(self, page):
        choose(page, ("a.mp4", "dubbed"))
        cards(page, 1)
        page.get_by_role("button", name="Show the report").click()
        with page.context.expect_page() as tab:
            page.get_by_role("link", name="Open it in a tab of its own").click()
        tab.value.wait_for_load_state()
        assert "a.mp4" in tab.value.locator("h2").all_inner_texts()
        assert tab.value.evaluate("self.origin") == "null"
        tab.value.close()

    def test_results_are_saved(self, page):
        choose(page, ("a.mp4", "fine"), ("b.mp4", "dubbed"))
        cards(page, 2)
        for link, name in (("HTML report on a.mp4", "avsync a.html"), ("CSV", "avsync all.csv")):
            with page.expect_download() as download:
                page.get_by_role("link", name=link, exact=True).click()
            assert download.value.suggested_filename == name


class TestEveryone:
    """Without a mouse, without eyes, on a small screen."""

    def test_the_keyboard_is_enough(self, page):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "choose"
        page.evaluate("() => document.querySelector('#files').addEventListener('click', () => (window.asked = true))")
        page.keyboard.press("Enter")
        assert page.evaluate("window.asked")
        choose(page, ("a.mp4", "stages 0.6"), ("b.mp4", "hang"))
        page.get_by_role("button", name="Cancel a.mp4").focus()
        cards(page, 1)
        assert focused(page) == "a.mp4"  # where the recording went
        page.keyboard.press("Tab")
        assert focused(page) == "Show the report"
        with page.expect_request_finished(lambda request: "/media/" in request.url):
            page.keyboard.press("Enter")
        assert page.get_by_role("button", name="Hide the report").get_attribute("aria-expanded") == "true"
        page.get_by_role("button", name="Remove a.mp4").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".result", state="detached")
        assert page.evaluate("document.activeElement.id") == "choose"
        page.get_by_role("button", name="Cancel b.mp4").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".row", state="detached")
        assert page.evaluate("document.activeElement.id") == "choose"

    def test_a_verdict_is_told_to_a_screen_reader(self, page):
        choose(page, ("a.mp4", "stages 0.2"))
        cards(page, 1)
        assert page.get_by_role("status").inner_text().startswith("a.mp4: consistent. face 0 (0.2–7.9 s)")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_on_a_phone_nothing_is_cut_off(self, page, scheme):
        page.set_viewport_size({"width": 320, "height": 640})
        page.emulate_media(color_scheme=scheme)
        choose(page, ("a" * 200 + ".mp4", "dubbed"), ("b" * 200 + ".mp4", "hang"))
        cards(page, 1)
        page.get_by_role("button", name="Show the report").click()
        page.frame_locator("iframe").locator("text=Technical details").wait_for(state="attached")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert violations(page) == []


@pytest.fixture
def elsewhere(running):
    """Another server on this computer; it notes the cookies that it gets."""

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path in ("/", "/again"):
                server.cookies.append(self.headers["Cookie"])
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<a href="{running.address}">open</a> <a href="/again">here</a>'.encode())

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        server.cookies = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class TestDoor:
    def test_a_link_on_another_site_opens_the_page_at_once(self, open_page, running, elsewhere):
        page = open_page(f"http://localhost:{elsewhere.server_port}/").page
        page.click("a")
        page.wait_for_selector("#limit:not(:empty)", state="attached")
        assert page.url == f"http://{running.host}{running.home}"
        page.close()

    def test_a_server_on_another_port_does_not_get_the_cookie(self, opened, running, elsewhere):
        opened.page.goto(f"http://127.0.0.1:{elsewhere.server_port}/")
        opened.page.click("text=here")
        opened.page.wait_for_url("**/again")
        assert elsewhere.cookies == [None, None]
        opened.errors.clear()
        opened.requests.clear()

    def test_without_the_key_the_page_is_locked(self, open_page, running):
        page = open_page(f"http://{running.host}/").page
        assert page.locator("h1").inner_text() == "This page is locked"
        assert violations(page) == []
        page.close()

    def test_the_button_ends_the_app(self, open_page, tmp_path):
        with app(tmp_path) as asking:
            page = open_page(asking.address).page
            page.wait_for_selector("#limit:not(:empty)", state="attached")
            page.get_by_role("button", name="End avsync and delete the copies").click()
            page.wait_for_selector("text=avsync has ended, and the copies are deleted.")
            assert asking.process.wait(10) == 0
            assert violations(page) == []
            page.close()

    def test_a_page_whose_app_has_gone_says_so(self, open_page, tmp_path):
        with app(tmp_path) as asking:
            page = open_page(asking.address).page
            page.wait_for_selector("#limit:not(:empty)", state="attached")
            asking.process.kill()
            page.wait_for_selector("text=avsync has ended. Start it again to go on.", timeout=10 * SECOND)
            page.close()


# Notes every line of progress that the page shows.
_WATCH_STATUS = """() => {
  window.said = [];
  new MutationObserver(() => document.querySelectorAll(".status").forEach((line) => window.said.push(line.textContent)))
    .observe(document.body, { childList: true, subtree: true, characterData: true });
}"""
# Moves the player of the report to a second, and returns where it is.
_SEEK = """async () => {
  const video = document.querySelector("video");
  if (video.readyState < 1) await new Promise((resolve) => (video.onloadedmetadata = resolve));
  video.currentTime = 1;
  await new Promise((resolve) => (video.onseeked = resolve));
  return video.currentTime;
}"""
# What a script in the report can reach: the page around it, and the server.
_REACH = """async () => {
  let page = "reached";
  try { parent.document.title; } catch { page = "blocked"; }
  return [page, await fetch("/items").then(() => "reached", () => "blocked")];
}"""
